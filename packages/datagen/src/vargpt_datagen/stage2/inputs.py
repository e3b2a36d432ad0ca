"""What a stage-2 build reads, opened and checked before anything is written."""

from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.stage2.instruct_rows import instruct_manifest, instruct_sha256
from vargpt_datagen.stage2.llava import sha256_of
from vargpt_datagen.stage2.onevision_files import Subset, open_subsets, subsets_sha256
from vargpt_datagen.stage2.weights import Weights, read_weights
from vargpt_schema import UserError


class InputPaths(NamedTuple):
    """Where the inputs lie."""

    llava: Path  # llava_v1_5_mix665k.json
    onevision: Path  # LLaVA-OneVision-Data, a folder a config
    instruct: Path  # a -130K build
    image_root: Path  # where image paths start, and where embedded pictures are written to
    weights: Path | None  # None: the shipped ones


class Inputs(NamedTuple):
    """The inputs, and what tells them apart from others."""

    paths: InputPaths
    weights: Weights
    subsets: list[Subset]
    instruct: dict[str, Any]  # manifest of the -130K build
    sha256s: dict[str, str]


def given_paths(
    *,
    llava: Path | None,
    onevision: Path | None,
    instruct: Path | None,
    image_root: Path | None,
    weights: Path | None,
) -> InputPaths | None:
    """The paths of the command line; None when none is given. UserError when some are."""
    found = {
        "--llava": llava,
        "--onevision": onevision,
        "--instruct": instruct,
        "--image-root": image_root,
    }
    missing = [option for option, path in found.items() if path is None]
    if len(missing) == len(found) and weights is None:
        return None
    if not (llava and onevision and instruct and image_root):
        raise UserError(
            f"datagen build-stage2: {', '.join(missing)} missing, all of {', '.join(found)} were "
            "expected, or none for the sample world. Give the others too."
        )
    return InputPaths(llava, onevision, instruct, image_root, weights)


def open_inputs(paths: InputPaths) -> Inputs:
    """Open and check what can be checked quickly. UserError for what is not as it should be."""
    if not paths.image_root.is_dir():
        raise UserError(
            f"--image-root {paths.image_root}: no such folder, the folder that image paths start "
            "in was expected. Check the path."
        )
    weights = read_weights(paths.weights)
    subsets = open_subsets(paths.onevision, weights)
    instruct = instruct_manifest(paths.instruct)
    sha256s = {
        "llava_sha256": sha256_of(paths.llava),
        "onevision_sha256": subsets_sha256(subsets),
        "instruct_sha256": instruct_sha256(instruct),
        "weights_sha256": weights.sha256,
    }
    return Inputs(paths, weights, subsets, instruct, sha256s)
