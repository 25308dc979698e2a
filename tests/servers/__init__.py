"""Databases and brokers for the tests: started in a directory of their own, or named by a URL in the environment."""

from tests.servers.address import Address
from tests.servers.base import Server
from tests.servers.mariadb import mariadb
from tests.servers.postgresql import postgresql
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import rabbitmq_server
from tests.servers.redis import Redis, redis_server

__all__ = ["Address", "Proxy", "Redis", "Server", "mariadb", "postgresql", "rabbitmq_server", "redis_server"]
