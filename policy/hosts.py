"""What a host's name says of who reaches it. Pure."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host. A name other than ``localhost`` could be anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
