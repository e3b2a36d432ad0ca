"""Folders and files in exactly the layouts of what is published, at small size."""

import json
from pathlib import Path
from typing import Any

from tests.model.vargpt.conftest import small_config, small_model

# What the official files hold beside the sizes, and in this form.
LLAVA_CONFIG: dict[str, Any] = {
    "architectures": ["LlavaForConditionalGeneration"],
    "ignore_index": -100,
    "image_token_index": 300,
    "model_type": "llava",
    "pad_token_id": 301,
    "projector_hidden_act": "gelu",
    "torch_dtype": "float16",
    "transformers_version": "4.36.0.dev0",
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
}
TEXT = {
    "_name_or_path": "lmsys/vicuna-7b-v1.5",
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "float16",
    "vocab_size": 320,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "hidden_size": 32,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 16,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 6,
    "image_size": 12,
    "projection_dim": 16,
    "vocab_size": 32000,
}


def small_image_tokenizer():
    return small_config().image_tokenizer_config


def random_model(seed: int = 0, **changes: Any) -> Any:
    """A model whose every tensor, buffers too, has values of its own."""
    import torch

    model = small_model(seed, **changes)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if "ln_q" in name or "ema_vocab" in name or "zero_k_bias" in name:
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
    return model


def save_sharded(tensors, folder: Path, num_shards: int) -> None:
    """Safetensors shards with an index, as downloads have them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    names = list(tensors)
    weight_map = {}
    for shard in range(num_shards):
        file = f"model-{shard + 1:05d}-of-{num_shards:05d}.safetensors"
        own = names[shard::num_shards]
        weight_map |= dict.fromkeys(own, file)
        save_file(
            {name: tensors[name].contiguous() for name in own}, folder / file, {"format": "pt"}
        )
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def save_tokenizer(folder: Path, *, drawn_tokens: bool) -> None:
    """A tokenizer like llava-1.5-7b-hf's: blanks as U+2581, `<image>` and `<pad>` added last."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    letters = ["\u2581", *(chr(code) for code in range(33, 127)), "\n"]
    tokens = ["<unk>", "<s>", "</s>", *letters]
    tokens += [f"word{index}" for index in range(300 - len(tokens))]
    llama = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(tokens)}, merges=[], unk_token="<unk>"
        )
    )
    llama.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    llama.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse()])
    llama.add_special_tokens([AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")])
    added = ["<image>", "<pad>"]
    if drawn_tokens:
        added += ["<|image_gen_start|>", "<|image_gen_end|>", "<|image_gen_pad|>"]
    llama.add_special_tokens([AddedToken(token, special=True) for token in added])
    PreTrainedTokenizerFast(
        tokenizer_object=llama,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
    ).save_pretrained(folder)


def published_model(**changes: Any) -> Any:
    """A model with the ids and sizes of the folders here."""
    return random_model(
        text_config={**TEXT},
        vision_config={**VISION},
        image_token_index=300,
        pad_token_id=301,
        image_gen_start_token_id=302,
        image_gen_end_token_id=303,
        image_gen_pad_token_id=304,
        visual_decoder={
            **(small_config().visual_decoder or {}),
            "num_classes": 303,
        },
        training_condition=None,
        inference_condition=None,
        eos_token_id=2,
        bos_token_id=1,
        **changes,
    )


def write_llava(folder: Path, model: Any, *, old_names: bool = True, bins: bool = False) -> None:
    """llava-1.5-7b-hf: float16, sharded; newer releases save other names."""
    import torch

    parts = ("vision_tower.", "multi_modal_projector.", "language_model.")
    tensors = {
        name: tensor.half() for name, tensor in model.state_dict().items() if name.startswith(parts)
    }
    if not old_names:
        tensors = {_newer_name(name): tensor for name, tensor in tensors.items()}
    if bins:
        folder.mkdir(parents=True)
        tensors["language_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_sharded(tensors, folder, 3)
    config = {**LLAVA_CONFIG, "text_config": TEXT, "vision_config": VISION}
    (folder / "config.json").write_text(json.dumps(config))
    save_tokenizer(folder, drawn_tokens=False)


def _newer_name(name: str) -> str:
    if name.startswith("language_model.lm_head."):
        return name.removeprefix("language_model.")
    if name.startswith("language_model.model."):
        return "model.language_model." + name.removeprefix("language_model.model.")
    return "model." + name


def write_var(path: Path, model: Any) -> None:
    """`var_d30.pth`: a bare state dict with 1001 condition rows."""
    import torch

    tensors = {
        name.removeprefix("vargpt_gen."): tensor.clone()
        for name, tensor in model.state_dict().items()
        if name.startswith("vargpt_gen.")
    }
    tensors["class_emb.weight"] = torch.randn(1001, 32, generator=torch.Generator().manual_seed(5))
    torch.save(tensors, path)


def write_vae(path: Path, model: Any) -> None:
    """`vae_ch160v4096z32.pth`: a bare state dict."""
    import torch

    torch.save(dict(model.vae_local.state_dict()), path)


def write_official(folder: Path, model: Any) -> None:
    """A v1 folder: bfloat16 throughout, the processor without sizes, the tokens in config.json."""

    tensors = {
        name: tensor.bfloat16() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_sharded(tensors, folder, 4)
    tokens = {
        "image_gen_start": "<|image_gen_start|>",
        "image_gen_end": "<|image_gen_end|>",
        "image_gen_pad": "<|image_gen_pad|>",
        "image_gen_start_token_id": 302,
        "image_gen_end_token_id": 303,
        "image_gen_pad_token_id": 304,
    }
    config = {
        "architectures": ["VARGPTLlavaForConditionalGeneration"],
        "hidden_size": 32,
        "ignore_index": -100,
        "image_seq_length": 576,
        "image_token_index": 300,
        "is_composition": True,
        "model_type": "vargpt_llava",
        "pad_token_id": 301,
        "projector_hidden_act": "gelu",
        "special_tokens": tokens,
        "text_config": TEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "train_from_scratch": False,
        "vision_config": VISION,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "vocab_size": 320,
    }
    (folder / "config.json").write_text(json.dumps(config))
    generation = {"special_tokens": tokens, "allowed_special_tokens": [302, 303, 304]}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    (folder / "processor_config.json").write_text('{"processor_class": "VARGPTLlavaProcessor"}')
    (folder / "chat_template.json").write_text('{"chat_template": "{{ messages }}"}')
    save_tokenizer(folder, drawn_tokens=True)
