"""Talking to a server: addresses, requests, what it offers, files that arrive."""
