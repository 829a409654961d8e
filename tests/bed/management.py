"""RabbitMQ's management API, as much of it as tests read and do, bound to one virtual host."""

import ssl
from urllib.parse import quote

import httpx

ALL = ".*"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. It is not used over plain HTTP, and httpx would take 30 ms to read certificates for each test."""


class Management:
    """Counters are up to a second old: wait for them with `eventually`."""

    def __init__(self, url, vhost, user):
        limits = httpx.Limits(max_keepalive_connections=0)  # the broker ends one that is kept whenever it likes
        self._http = httpx.Client(base_url=f"{url}/api/", timeout=10, trust_env=False, verify=NO_TLS, limits=limits)
        self._users = []
        self.vhost = vhost
        self.user = user

    # the virtual host itself

    def create_vhost(self):
        self._put(f"vhosts/{quote(self.vhost, safe='')}", {})
        self.set_permissions(self.user)

    def drop_vhost(self):
        """Also the users made for it; connections to it are closed by the broker."""
        for name in self._users:
            self._delete(f"users/{quote(name, safe='')}")
        self._delete(f"vhosts/{quote(self.vhost, safe='')}")

    def close(self):
        self._http.close()

    # what there is

    def queues(self):
        return self._get(f"queues/{self._quoted_vhost}")

    def queue_names(self):
        return sorted(queue["name"] for queue in self.queues())

    def queue(self, name):
        return self._get(f"queues/{self._quoted_vhost}/{quote(name, safe='')}")

    def counters(self, name):
        """Since the queue was declared: published into it, delivered from it (however settled), acked, left in it."""
        queue = self.queue(name)
        stats = queue.get("message_stats", {})
        return {
            "published": stats.get("publish", 0),
            "delivered": stats.get("deliver", 0) + stats.get("deliver_no_ack", 0) + stats.get("get", 0),
            "acked": stats.get("ack", 0),
            "redelivered": stats.get("redeliver", 0),
            "left": queue.get("messages", 0),
        }

    def exchange(self, name):
        """Its `message_stats` has publish_in (publishes taken) and publish_out (copies routed)."""
        return self._get(f"exchanges/{self._quoted_vhost}/{quote(name, safe='')}")

    def bindings(self, queue=None):
        """All bindings, or those of one queue; the nameless exchange's own are left out."""
        every = self._get(f"bindings/{self._quoted_vhost}")
        return [each for each in every if each["source"] and queue in (None, each["destination"])]

    def connections(self):
        return self._get(f"vhosts/{self._quoted_vhost}/connections")

    def close_connection(self, name):
        self._delete(f"connections/{quote(name, safe='')}")

    def purge(self, queue):
        self._delete(f"queues/{self._quoted_vhost}/{quote(queue, safe='')}/contents")

    def set_policy(self, name, pattern, definition):
        """For queues whose name matches; of two limits on a queue the lower counts."""
        body = {"pattern": pattern, "definition": definition, "apply-to": "queues"}
        self._put(f"policies/{self._quoted_vhost}/{quote(name, safe='')}", body)

    def drop_policy(self, name):
        self._delete(f"policies/{self._quoted_vhost}/{quote(name, safe='')}")

    def publish(self, exchange, key, body, headers):
        """Publish a text; numbers in headers become doubles, which our own driver cannot write."""
        path = f"exchanges/{self._quoted_vhost}/{quote(exchange, safe='')}/publish"
        properties = {"headers": headers}
        order = {"properties": properties, "routing_key": key, "payload": body, "payload_encoding": "string"}
        self._http.post(path, json=order).raise_for_status()

    # who may do what

    def create_user(self, name, password, tags=""):
        """A login without any permission yet; dropped with the virtual host."""
        self._put(f"users/{quote(name, safe='')}", {"password": password, "tags": tags})
        self._users.append(name)

    def set_permissions(self, user, configure=ALL, write=ALL, read=ALL):
        body = {"configure": configure, "write": write, "read": read}
        self._put(f"permissions/{self._quoted_vhost}/{quote(user, safe='')}", body)

    def set_topic_permissions(self, user, exchange, write=ALL, read=ALL):
        body = {"exchange": exchange, "write": write, "read": read}
        self._put(f"topic-permissions/{self._quoted_vhost}/{quote(user, safe='')}", body)

    def load(self, definitions):
        """Load definitions, as an operator does; they may be of any virtual host."""
        self._http.post("definitions", json=definitions).raise_for_status()

    @property
    def _quoted_vhost(self):
        return quote(self.vhost, safe="")

    def _get(self, path):
        return self._http.get(path).raise_for_status().json()

    def _put(self, path, body):
        self._http.put(path, json=body).raise_for_status()

    def _delete(self, path):
        answer = self._http.delete(path)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()
