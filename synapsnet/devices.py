"""Where a model is fitted: CPU, CUDA or MPS, in one process or, started by `torchrun`, in several that share the work.

Lightning Fabric handles devices, precisions and communication between processes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from torch import Tensor, nn

from synapsnet.errors import InputError
from synapsnet.processes import sizes

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["32-true", "bf16-mixed"]
DeviceType = Literal["cpu", "cuda", "mps"]
DEVICES, PRECISIONS = get_args(Device), get_args(Precision)


def kind_of_device(device: str = "auto", precision: str = "32-true") -> DeviceType:
    """What `device` stands for on this machine; raises `InputError` as `launch` does."""
    for what, name, known in (("device", device, DEVICES), ("precision", precision, PRECISIONS)):
        if name not in known:
            raise InputError(f"The {what} must be {', '.join(known[:-1])} or {known[-1]}; got {name!r}.")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = next(name for name in ("cuda", "mps", "cpu") if available[name]) if device == "auto" else device
    if not available[kind]:
        raise InputError(
            f"There is no {kind.upper()} device that PyTorch can use; choose --device cpu or --device auto."
        )
    return cast(DeviceType, kind)


def torch_device(device: str = "auto") -> torch.device:
    """Where to put tensors; raises `InputError` as `launch` does."""
    return torch.device("cpu") if kind_of_device(device) == "cpu" else launch(device).device


@lru_cache
def launch(device: str = "auto", precision: str = "32-true") -> Fabric:
    """The device to use, and the processes that share the work: those that `torchrun` started, or this one alone.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    precision : {"32-true", "bf16-mixed"}
        Mixed precision is for devices that are faster with it; parameters and their updates stay float32.

    Raises
    ------
    InputError
        If the name is unknown, or there is no such device.
    """
    from lightning_fabric import Fabric  # brings PyTorch's compiler, seconds that loading a model need not take
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    kind = kind_of_device(device, precision)
    here, everywhere = sizes()
    fabric = Fabric(
        accelerator=kind,
        devices=here,
        num_nodes=everywhere // here,
        strategy="ddp" if everywhere > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
        plugins=[] if everywhere > 1 else [LightningEnvironment()],  # ignore what a batch system says about its own job
    )
    fabric.launch()
    return fabric


def as_double(value: Tensor) -> Tensor:
    """The tensor in float64, on the CPU where the device lacks float64 (MPS)."""
    return (value.cpu() if value.device.type == "mps" else value).double()


def add_up(fabric: Fabric, value: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    return value if fabric.world_size == 1 else fabric.all_reduce(value, reduce_op="sum")  # type: ignore[return-value]


def add_up_gradients(fabric: Fabric, model: nn.Module) -> None:
    """Give every process the sum of all processes' gradients, in one exchange."""
    if fabric.world_size == 1:
        return
    # All that is trained: a process without a share of the batch has no gradient of most of it.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    ours = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    flat = add_up(fabric, torch.cat([gradient.flatten() for gradient in ours]))
    for parameter, gradient in zip(trained, torch.split(flat, [p.numel() for p in trained]), strict=True):
        parameter.grad = gradient.view_as(parameter)
