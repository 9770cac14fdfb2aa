"""The course of a session: parts that share a Context and tell what happens by signals."""
