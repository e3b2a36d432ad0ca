"""The Ray cluster that a command runs on: the one of RAY_ADDRESS, or one of its own."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from vargpt_datagen.printable import printable
from vargpt_schema import UserError

# Read by Ray when it is imported. Its own default under `uv run` is to copy the current folder to
# every worker and make an environment there, though the driver's serves; and to report its use.
_OF_RAY = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"}
_CONNECT_S = 10.0
_STARTS = 3  # a busy machine may need more than one
_OBJECTS_BYTES = 300_000_000  # of a cluster of our own: what travels is text


class Cluster(NamedTuple):
    """What a cluster has."""

    num_nodes: int
    num_gpus: int


@contextmanager
def ray_cluster() -> Iterator[Cluster]:
    """Be connected to a cluster within the block; one of its own ends with it.

    UserError when RAY_ADDRESS names one that cannot be reached.
    """
    for name, value in _OF_RAY.items():
        os.environ.setdefault(name, value)
    import ray

    was_connected = ray.is_initialized()
    if not was_connected:
        _connect()
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        cluster = Cluster(len(nodes), int(ray.cluster_resources().get("GPU", 0)))
        print(f"Ray: {cluster.num_nodes} nodes, {cluster.num_gpus} GPUs", file=sys.stderr)
        yield cluster
    finally:
        if not was_connected:
            ray.shutdown()


def _connect() -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    # Actors import this package from where the driver has it.
    path = os.pathsep.join(each for each in sys.path if each)
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": {"PYTHONPATH": path}},
    }
    if address is not None:
        _expect_answer(address)
        ray.init(**options)
        return
    options |= {"include_dashboard": False, "object_store_memory": _OBJECTS_BYTES}
    for number in range(1, _STARTS + 1):
        try:
            ray.init(**options)
            return
        except Exception as error:  # its own kind, where a node did not start in 30 s
            ray.shutdown()
            if number == _STARTS:
                raise UserError(
                    "--engine ray: no cluster could be started on this machine "
                    f"({printable(str(error))[:200]}). Run the same command when it is less "
                    "busy, or leave --engine out."
                ) from error


def _expect_answer(address: str) -> None:
    """UserError where nobody listens at host:port, which Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise UserError(
            f"RAY_ADDRESS={address}: no Ray cluster can be reached there ({error}). Start one with "
            "`ray start --head`, or unset the variable to run on this machine."
        ) from error
