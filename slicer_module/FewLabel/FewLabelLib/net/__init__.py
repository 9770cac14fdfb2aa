"""Communication with a server: addresses, requests, capabilities, downloads."""
