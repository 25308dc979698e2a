"""Proxies: which one the environment names for a collector, read as the standard library reads it."""

from __future__ import annotations

import os

from ezlogs.otlp.address import Address, split


def are_named() -> bool:
    """Return whether the environment names any proxy, be it for others: without one nobody needs to look further."""
    return any(name.lower().endswith("_proxy") for name in os.environ)


def proxy_of(host: str, *schemes: str) -> Address | None:
    """Return the proxy for a host, or None where it is reached directly.

    Args:
        host: The collector's, with its port if it has one.
        schemes: What is looked for, the strongest first: ``https`` is HTTPS_PROXY or https_proxy. The last resort is
            ALL_PROXY. Hosts in NO_PROXY have none.

    Example:
        >>> import os
        >>> os.environ |= {"https_proxy": "proxy.example:3128", "no_proxy": "collector.internal"}
        >>> proxy_of("collector.example:4318", "https").host, proxy_of("collector.internal:4318", "https")
        ('proxy.example:3128', None)
        >>> del os.environ["https_proxy"], os.environ["no_proxy"]
    """
    if not are_named():
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    proxy = next((proxies[scheme] for scheme in (*schemes, "all") if proxies.get(scheme)), None)
    if proxy is None or proxy_bypass(host):
        return None
    return split(proxy if "://" in proxy else f"http://{proxy}")
