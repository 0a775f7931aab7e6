"""What is measured, where."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.settings.checks import at_least, fail, one_of

RUNTIMES = ("onnxruntime", "eager", "jit", "compile", "program", "openvino")
TORCH_RUNTIMES = ("eager", "jit", "compile", "program")


@dataclass(frozen=True)
class TargetSettings:
    """What exactly is measured, where. All of it is part of the key of a measured number.

    `host`, `ssh_options` (as for ssh) and `python` say how `where=ssh` is reached, `command` is the
    program and its arguments of `where=command`, one call of which may take `timeout` seconds
    (null: 30 and fifty times what its warm calls promise), `scheduler` the address of the one of
    `where=dask` (a worker that offers `latency` measures); a device that is gone is tried again
    after `retry_seconds`, then after twice as long each time, up to five minutes. `folded`: batch
    normalisation is folded into the convolutions before a torch runtime gets the network (the
    others fold by themselves). `table` is a file that `nas latency --table` wrote: candidates that
    it puts clearly over a limit are refused unmeasured; it is no part of the key.
    """

    where: str = "local"
    runtime: str = "onnxruntime"
    device: str = "cpu"
    threads: int = 1
    dtype: str = "float32"
    memory_format: str = "contiguous"
    batch_size: int = 1
    folded: bool = False
    cuda_graphs: bool = False
    host: str | None = None
    ssh_options: list[str] = field(default_factory=list)
    python: str = "python3"
    command: list[str] = field(default_factory=list)
    scheduler: str | None = None
    table: str | None = None
    retry_seconds: float = 5.0
    timeout: float | None = None

    def __post_init__(self) -> None:
        one_of("target.where", self.where, ("local", "ssh", "command", "dask"))
        one_of("target.runtime", self.runtime, RUNTIMES)
        one_of("target.device", self.device, ("cpu", "cuda"))
        at_least("target.threads", self.threads, 1)
        one_of("target.dtype", self.dtype, ("float32", "bfloat16"))
        one_of("target.memory_format", self.memory_format, ("contiguous", "channels_last"))
        at_least("target.batch_size", self.batch_size, 1)
        at_least("target.retry_seconds", self.retry_seconds, 0, above=True)
        at_least("target.timeout", self.timeout, 0, above=True)
        if self.runtime == "onnxruntime" and self.device == "cuda":
            raise fail("target.device", "onnxruntime is measured on the CPU", "cuda", "cpu")
        if self.runtime not in TORCH_RUNTIMES:
            for name, plain in (("dtype", "float32"), ("folded", False), ("cuda_graphs", False)):
                if getattr(self, name) != plain:
                    raise fail(
                        f"target.{name}", f"is a choice of torch's runtimes, not {self.runtime}'s",
                        getattr(self, name), str(plain),
                    )  # fmt: skip
        if self.cuda_graphs and self.device != "cuda":
            raise fail("target.cuda_graphs", "needs target.device=cuda", True, "False")
        if self.where in ("ssh", "command"):
            self._check_elsewhere()
        if self.where == "dask" and not self.scheduler:
            raise fail(
                "target.scheduler", "target.where=dask needs the address of a scheduler",
                self.scheduler, "tcp://HOST:8786, or execution=dask execution.scheduler=",
            )  # fmt: skip

    def _check_elsewhere(self) -> None:
        if self.runtime in TORCH_RUNTIMES:
            raise fail(
                "target.runtime", f"target.where={self.where} sends ONNX files",
                self.runtime, "onnxruntime, openvino",
            )  # fmt: skip
        if self.where == "ssh" and (not self.host or self.host.startswith("-")):
            raise fail("target.host", "target.where=ssh needs a host", self.host, "user@board")
        if self.where == "command" and not self.command:
            raise fail(
                "target.command", "target.where=command needs a program",
                self.command, "[python3,measure_on_phone.py]",
            )  # fmt: skip
