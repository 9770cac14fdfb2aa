"""The session: parts that share a Context and communicate by signals."""
