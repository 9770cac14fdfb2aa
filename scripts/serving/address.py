"""The addresses by which people reach the server."""

import socket


def local(host: "str", port: "int") -> "str":
    """The address on this computer."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def for_others(host: "str", port: "int") -> "str":
    """The address for other computers."""
    name = own_address(host) if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def own_address(host: "str") -> "str":
    """This computer's address in its network, or its name where it has none; nothing is sent."""
    family, elsewhere = (socket.AF_INET6, "2001:db8::1") if host == "::" else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect((elsewhere, 9))
            return one.getsockname()[0]
    except OSError:
        return socket.gethostname()
