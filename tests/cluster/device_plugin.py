"""
A device plugin: offers the devices that a file names, under one resource, to the kubelet of the machine it runs on.

    python device_plugin.py RESOURCE FILE

The file has one id a line; with ``unhealthy`` behind it the device is there and is given to nobody. It is read again
when it changes. A kubelet that has made its socket anew is told again, as one that restarts forgets its plugins.
"""

import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

FOLDER = Path("/var/lib/kubelet/device-plugins")
LOOK_SECONDS = 0.1


def messages() -> Any:
    """The API's messages, made from the proto beside this file."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "deviceplugin_pb2.py")
        if protoc.main(["protoc", f"--proto_path={here}", f"--python_out={folder}", "deviceplugin.proto"]):
            raise SystemExit("device_plugin: protoc refuses deviceplugin.proto")
        spec = importlib.util.spec_from_file_location("deviceplugin_pb2", made)
        if spec is None or spec.loader is None:
            raise SystemExit(f"device_plugin: {made} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


class Plugin:
    """One resource and its devices."""

    def __init__(self, resource: str, path: Path) -> None:
        self._resource, self._path, self._api = resource, path, messages()
        self._endpoint = f"{resource.replace('/', '_')}.sock"

    def serve(self) -> None:
        """For ever."""
        methods = {
            "GetDevicePluginOptions": self._unary("Empty", lambda *_: self._api.DevicePluginOptions()),
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                self._watch, request_deserializer=self._api.Empty.FromString, response_serializer=_bytes
            ),
            "Allocate": self._unary("AllocateRequest", self._allocate),
        }
        socket, server = None, None
        while True:
            now = _made(FOLDER / "kubelet.sock")
            if now is not None and now != socket:
                socket = now
                if server is not None:
                    server.stop(None).wait()  # now, for when it goes it takes the path with it
                server = grpc.server(ThreadPoolExecutor(4))
                server.add_generic_rpc_handlers(
                    (grpc.method_handlers_generic_handler("v1beta1.DevicePlugin", methods),)
                )
                server.add_insecure_port(f"unix:{FOLDER / self._endpoint}")
                server.start()
                self._register()
            time.sleep(LOOK_SECONDS)

    def _register(self) -> None:
        request = self._api.RegisterRequest(version="v1beta1", endpoint=self._endpoint, resource_name=self._resource)
        with grpc.insecure_channel(f"unix:{FOLDER / 'kubelet.sock'}") as channel:
            register = channel.unary_unary("/v1beta1.Registration/Register", _bytes, self._api.Empty.FromString)
            register(request, timeout=10, wait_for_ready=True)
        print(f"registered {self._resource}", flush=True)

    def _watch(self, _request: Any, context: Any) -> Iterator[Any]:
        told: list[Any] | None = None
        while context.is_active():
            devices = [
                self._api.Device(ID=name, health="Unhealthy" if rest else "Healthy")
                for name, *rest in map(str.split, self._path.read_text(encoding="ascii").splitlines())
            ]
            if devices != told:
                told = devices
                yield self._api.ListAndWatchResponse(devices=devices)
            time.sleep(LOOK_SECONDS)

    def _allocate(self, request: Any, _context: Any) -> Any:
        answers = [
            self._api.ContainerAllocateResponse(envs={"NVIDIA_VISIBLE_DEVICES": ",".join(each.devices_ids)})
            for each in request.container_requests
        ]
        return self._api.AllocateResponse(container_responses=answers)

    def _unary(self, request: str, method: Any) -> Any:
        read = getattr(self._api, request).FromString
        return grpc.unary_unary_rpc_method_handler(method, request_deserializer=read, response_serializer=_bytes)


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _made(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns


if __name__ == "__main__":
    Plugin(sys.argv[1], Path(sys.argv[2])).serve()
