"""The least that other proxies have to be told to pass traffic on to one upstream."""

from typing import Any

_CORE = "type.googleapis.com/envoy.extensions.filters"


def envoy_http(port: int, upstream: int) -> dict[str, Any]:
    """Reads HTTP/1.1, and sends it on; writes no log."""
    router = f"{_CORE}.http.router.v3.Router"
    manager = {
        "@type": f"{_CORE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app", "timeout": "0s"}}],
                }
            ]
        },
    }
    return _envoy(port, upstream, "envoy.filters.network.http_connection_manager", manager)


def envoy_tcp(port: int, upstream: int) -> dict[str, Any]:
    """Passes bytes, and reads none."""
    proxy = {
        "@type": f"{_CORE}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "bench",
        "cluster": "app",
    }
    return _envoy(port, upstream, "envoy.filters.network.tcp_proxy", proxy)


def _envoy(port: int, upstream: int, name: str, filter_config: dict[str, Any]) -> dict[str, Any]:
    listener = {
        "name": "in",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": name, "typed_config": filter_config}]}],
    }
    endpoint = {"endpoint": {"address": _address(upstream)}}
    cluster = {
        "name": "app",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def haproxy_tcp(port: int, upstream: int) -> str:
    """Passes bytes, on one thread."""
    return f"""\
global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:{port}
    server app 127.0.0.1:{upstream}
"""
