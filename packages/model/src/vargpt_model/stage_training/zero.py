"""DeepSpeed's ZeRO (arXiv 1910.02054), which Table 2 of the paper names.

The engine is made here and not through accelerate, whose own way has checkpoints of its own form.
State goes in and out as whole tensors, so that a checkpoint is the same file under every engine.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from vargpt_model.stage_training.config import StageTraining
from vargpt_model.stage_training.optimizer import stage_optimizer
from vargpt_model.visual_decoder.block import Attention, Block
from vargpt_schema.errors import UserError

_MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW
_NEVER = 1 << 30


class Zero:
    """A model's passes, gradients and optimizer, shared out by DeepSpeed. All ranks call alike."""

    def __init__(self, model: nn.Module, training: StageTraining, precision: str) -> None:
        self.optimizer = stage_optimizer(model.named_parameters(), training)
        self._groups = self.optimizer.state_dict()["param_groups"]
        names = {id(one): name for name, one in model.named_parameters()}
        in_order = [one for group in self.optimizer.param_groups for one in group["params"]]
        self._trained: dict[str, nn.Parameter] = {names[id(one)]: one for one in in_order}
        self._is_sharded = training.zero_stage == 3
        # DeepSpeed would cast the image tokenizer, whose codes flip in half precision. It is never
        # trained: as a plain attribute the model finds it, and nothing that walks its modules does.
        image_tokenizer = model.get_submodule("vae_local")
        del model.vae_local
        model.__dict__["vae_local"] = image_tokenizer
        with redirect_stdout(sys.stderr):  # where it tells of itself
            self._deepspeed = imported_deepspeed()
            self.engine, self._optimizer, *_ = self._deepspeed.initialize(
                model=model, optimizer=self.optimizer, config=zero_config(training, precision)
            )
        image_tokenizer.to(self.engine.device)
        # accelerate would wrap it in DDP otherwise.
        model.__dict__["_is_accelerate_prepared"] = True
        if self._is_sharded:
            self._keep_whole_what_hooks_miss(model)

    def __call__(self, **inputs: Any) -> Any:
        """The model's forward.

        ZeRO-3 learns the order of modules to fetch ahead, and takes it for granted that all ranks
        and passes share it. Here it hangs on who has images: what was learned is forgotten.
        """
        if self._is_sharded:
            order = self._optimizer.parameter_offload.get_param_coordinator()
            if not order.is_invalid_trace():
                order._invalidate_trace()
        return self.engine(**inputs)

    def backward(self, loss: Tensor, *, is_last: bool) -> None:
        """Add a micro-batch's gradients; those of the step are together after the last one."""
        self.engine.set_gradient_accumulation_boundary(is_last)
        self.engine.backward(loss)

    def step(self) -> float:
        """Clip and update; returns the norm before. Infinite, and no update, where it is none."""
        self.engine.step()
        return float(self.engine.get_global_grad_norm())

    def parameters(self) -> dict[str, Tensor]:
        """What is trained, whole and in float32."""
        whole = self._deepspeed.utils.safe_get_full_fp32_param
        return {name: whole(one) for name, one in self._trained.items()}

    def moments(self) -> dict[str, Any]:
        """The optimizer's state, as that of torch's AdamW over whole parameters."""
        whole = self._deepspeed.utils.safe_get_full_optimizer_state
        step = next(self._flat_states())["step"]
        state = {
            place: {
                "step": step.clone(),
                **{key: whole(one, key) for key in _MOMENTS},
            }
            for place, one in enumerate(self._trained.values())
        }
        groups = [
            {**own, **{key: group[key] for key in own if key != "params"}}
            for own, group in zip(self._groups, self.optimizer.param_groups, strict=True)
        ]
        return {"state": state, "param_groups": groups}

    def load(self, parameters: Mapping[str, Tensor], moments: Mapping[str, Any]) -> None:
        """Take up a checkpoint's state; the model must have been loaded with it before."""
        for name, value in parameters.items():
            self._put(self._trained[name], value, None)
        state = moments["state"]
        steps = [values["step"] for values in state.values()]
        for flat in self._flats():
            self.optimizer.state[flat] = {
                "step": max(steps).clone(),
                **{key: torch.zeros_like(flat) for key in _MOMENTS},
            }
        if not self._is_sharded:
            self._optimizer._lazy_init_hp_params_optimizer_state()
        for place, one in enumerate(self._trained.values()):
            for key in _MOMENTS if place in state else ():
                self._put(one, state[place][key], key)
        for group, saved in zip(self.optimizer.param_groups, moments["param_groups"], strict=True):
            group.update({key: value for key, value in saved.items() if key != "params"})

    @torch.no_grad()
    def whole_state(self, model: nn.Module, *, is_first: bool) -> dict[str, Tensor]:
        """All tensors of the model on the CPU, for the first rank; the others get nothing."""
        gathered = self._deepspeed.zero.GatheredParameters
        trained: dict[str, Any] = self.parameters()
        model.vae_local = model.__dict__.pop("vae_local")
        found = {}
        for name, tensor in model.state_dict(keep_vars=True).items():
            with gathered([tensor] if hasattr(tensor, "ds_id") else []):
                if is_first:
                    found[name] = trained.get(name, tensor).detach().to("cpu", copy=True)
        return found

    def _put(self, parameter: nn.Parameter, value: Tensor, key: str | None) -> None:
        """Write a rank's part of a float32 parameter, or of one of its moments."""
        tools = self._deepspeed.utils
        put_parameter, put_moment = (
            tools.safe_set_full_fp32_param,
            tools.safe_set_full_optimizer_state,
        )
        value = value.to(parameter.device)
        if self._is_sharded:
            # Its own way of cutting a whole tensor fails where ranks do not share it evenly.
            put_parameter, put_moment = (
                tools.safe_set_local_fp32_param,
                tools.safe_set_local_optimizer_state,
            )
            size = parameter.ds_tensor.ds_numel  # pyright: ignore[reportAttributeAccessIssue]
            own = value.flatten()[dist.get_rank() * size :][:size]
            value = torch.cat([own, own.new_zeros(size - len(own))])
        if key is None:
            put_parameter(parameter, value)
        else:
            put_moment(parameter, value, key)

    def _flats(self) -> list[Tensor]:
        """The float32 tensors that AdamW sees: a rank's part of all parameters of a group."""
        if self._is_sharded:
            return self._optimizer.fp32_partitioned_groups_flat
        return self._optimizer.single_partition_of_fp32_groups

    def _flat_states(self) -> Iterator[dict[str, Any]]:
        return (self.optimizer.state[flat] for flat in self._flats())

    def _keep_whole_what_hooks_miss(self, model: nn.Module) -> None:
        """ZeRO-3 gathers a module's parameters when the module is called.

        Outside blocks the model calls methods and uses tables, which no hook sees: they stay whole
        on every rank between steps, but their gradients and moments are shared out all the same.
        """
        in_blocks: set[int] = set()
        for module in model.modules():
            if isinstance(module, LlamaDecoderLayer | CLIPEncoderLayer | Block):
                in_blocks |= {id(one) for one in module.parameters()}
            if isinstance(module, Block) and hasattr(module, "ada_gss"):
                in_blocks -= {id(module.ada_gss)}
            if isinstance(module, Attention):
                self._deepspeed.zero.register_external_parameter(module, module.mat_qkv.weight)
        kept = self._optimizer.persistent_parameters
        for one in model.parameters():
            if id(one) not in in_blocks:
                for mark in ("ds_persist", "is_external_param"):
                    setattr(one, mark, True)
                kept.append(one)
        kept[0].all_gather(kept)


def zero_config(training: StageTraining, precision: str) -> dict[str, Any]:
    """DeepSpeed's configuration. The caller ends steps, so it counts no micro-batches."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.max_grad_norm,
        "zero_optimization": {
            "stage": training.zero_stage,
            "contiguous_gradients": True,
            "stage3_prefetch_bucket_size": 0,  # see Zero.__call__
            "stage3_max_reuse_distance": 0,
            "stage3_param_persistence_threshold": 0,
        },
        "bf16": {"enabled": precision == "bfloat16"},
        "zero_allow_untested_optimizer": True,  # torch's AdamW: no kernels to be compiled
        "steps_per_print": _NEVER,
    }


def imported_deepspeed() -> Any:
    """The package. UserError without it."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        import deepspeed  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(
            f"--engine deepspeed: the package deepspeed cannot be imported ({error}). Install the "
            "extra: pip install 'vargpt-model[deepspeed]', or in this repository uv sync "
            "--all-packages --extra deepspeed. --engine fsdp2 needs no package."
        ) from error
    return deepspeed
