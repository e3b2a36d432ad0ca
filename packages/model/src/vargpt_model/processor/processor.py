"""VargptProcessor: conversations with images -> the tensors of training and of generation.

B conversations of S positions, U images to understand, N images to draw of L codes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from transformers import BatchFeature, ProcessorMixin

from vargpt_model.errors import ContextFullError
from vargpt_model.preprocessing import as_rgb, centre_pixels
from vargpt_model.processor.chat_template import CHAT_TEMPLATE, Piece, conversation_pieces
from vargpt_model.processor.understanding_images import clip_preparation, understood_pixels
from vargpt_model.scales import num_codes
from vargpt_model.vargpt.config import VargptConfig
from vargpt_schema import IMAGE, IMAGE_GEN, IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START
from vargpt_schema.errors import UserError

IGNORE_INDEX = -100

# An image to understand is a picture; one to draw is a picture or its codes (L,).
ImageOrCodes = Image.Image | Tensor


class Positions(NamedTuple):
    """The text side of a conversation: all that its length and its labels depend on."""

    input_ids: list[int]
    labels: list[int]
    image_kinds: list[str]  # image or image_gen, in the order of their placeholders


class EncodedConversation(NamedTuple):
    """One conversation before padding."""

    input_ids: list[int]
    labels: list[int]  # IGNORE_INDEX but for the assistant's words, start, end and end of turn
    understood: list[Image.Image]
    drawn: list[ImageOrCodes]


class VargptProcessor(ProcessorMixin):
    """Text tokenizer, image preparation and the chat template of one model.

    Every `<image>` becomes `num_image_tokens` positions and every `<image_gen>` start, one pad a
    code, end: here and nowhere else. Special tokens that somebody typed stay plain text.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        patch_nums: Sequence[int] = (),
        num_image_tokens: int = 0,
        image_size_px: int = 0,
        context_length: int = 0,
        understanding_aspect: str = "crop",
        add_bos: bool = False,
        chat_template: str | None = None,
    ) -> None:
        self.patch_nums = tuple(patch_nums)
        self.num_image_tokens = num_image_tokens
        self.image_size_px = image_size_px
        self.context_length = context_length
        self.understanding_aspect = understanding_aspect
        self.add_bos = add_bos
        super().__init__(image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)
        ids = {token: tokenizer.convert_tokens_to_ids(token) for token in _TOKENS}
        lacking = [token for token, id_ in ids.items() if id_ in (None, tokenizer.unk_token_id)]
        if lacking:
            raise UserError(
                f"{tokenizer.name_or_path or 'tokenizer'}: no token {', '.join(lacking)} found, "
                "a tokenizer of VARGPT was expected. Make the folder with `vargpt init`."
            )
        self._ids = ids
        self._prefixes_space = _prefixes_space(tokenizer)

    @classmethod
    def of(cls, config: VargptConfig, tokenizer: Any) -> "VargptProcessor":
        """The processor that belongs to a model's configuration."""
        return cls(
            clip_preparation(config.vision_size_px),
            tokenizer,
            patch_nums=config.visual_decoder_config.patch_nums,
            num_image_tokens=config.num_image_tokens,
            image_size_px=config.image_tokenizer_config.image_size_px,
            context_length=config.context_length,
            understanding_aspect=config.understanding_aspect,
            add_bos=config.add_bos,
        )

    @property
    def model_input_names(self) -> list[str]:
        """What `__call__` may return."""
        return [
            "input_ids",
            "attention_mask",
            "labels",
            "pixel_values",
            "image_code_ids",
            "target_pixel_values",
        ]

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        conversations: Sequence[Sequence[Any]],
        images: Sequence[Sequence[ImageOrCodes]] | None = None,
        *,
        padding_side: str = "left",
        return_labels: bool = False,
    ) -> BatchFeature:
        """Tensors of B conversations; `images[b]` in the order of conversation b's placeholders.

        A conversation is a list of messages with role and content (vargpt_schema.Message or a
        dict); one that ends with the user is left open for the answer. The result has input_ids
        and attention_mask (B, S), labels if asked, and as needed pixel_values (U, 3, h, w) and
        image_code_ids (N, L) or target_pixel_values (N, 3, s, s), over the flattened batch.

        UserError when images and placeholders differ in number or a conversation does not fit the
        context; ValueError when images to draw are partly pictures, partly codes.
        """
        if images is None:
            images = [()] * len(conversations)
        encoded = [
            self.encode(conversation, own, name=f"conversation {index}")
            for index, (conversation, own) in enumerate(zip(conversations, images, strict=True))
        ]
        features = self.pad(encoded, padding_side=padding_side, return_labels=return_labels)
        understood = [image for one in encoded for image in one.understood]
        if understood:
            features["pixel_values"] = self.understood_pixels(understood)
        features.update(self._drawn([image for one in encoded for image in one.drawn]))
        return BatchFeature(features)

    def encode(
        self,
        conversation: Sequence[Any],
        images: Sequence[ImageOrCodes] = (),
        *,
        name: str = "conversation",
    ) -> EncodedConversation:
        """One conversation as ids and labels, and its images by kind; see `__call__`."""
        ids, labels, kinds = self.positions(conversation)
        if len(kinds) != len(images):
            raise UserError(
                f"{name}: {kinds.count('image')} {IMAGE} and {kinds.count('image_gen')} "
                f"{IMAGE_GEN} found, {len(images)} images given. Give one image for each "
                "placeholder, in their order."
            )
        if len(ids) > self.context_length:
            raise ContextFullError(
                f"{name}: {len(ids):,} positions found, the model's context has "
                f"{self.context_length:,} ({self.num_image_tokens} for each image to understand, "
                f"{num_codes(self.patch_nums) + 2} for each drawn one). Shorten it."
            )
        by_kind = list(zip(kinds, images, strict=True))
        return EncodedConversation(
            ids,
            labels,
            [_picture(image, name) for kind, image in by_kind if kind == "image"],
            [image for kind, image in by_kind if kind == "image_gen"],
        )

    def positions(self, conversation: Sequence[Any]) -> Positions:
        """Ids and labels of a conversation of any length, without its images."""
        pieces = conversation_pieces(conversation, self._render, self.tokenizer.all_special_tokens)
        kinds = [piece.kind for piece in pieces if piece.kind in ("image", "image_gen")]
        return Positions(*self._ids_and_labels(pieces), kinds)

    def pad(
        self,
        encoded: Sequence[EncodedConversation],
        *,
        padding_side: str = "left",
        return_labels: bool = False,
    ) -> dict[str, Any]:
        """input_ids, attention_mask and, if asked, labels of conversations together: (B, S)."""
        if padding_side not in ("left", "right"):
            raise ValueError(f"padding_side must be left or right, got {padding_side!r}")
        length = max(len(one.input_ids) for one in encoded)
        shape = (len(encoded), length)
        ids = torch.full(shape, self.tokenizer.pad_token_id)
        mask = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE_INDEX)
        for row, one in enumerate(encoded):
            size = len(one.input_ids)
            place = slice(length - size, None) if padding_side == "left" else slice(0, size)
            ids[row, place] = torch.tensor(one.input_ids)
            mask[row, place] = 1
            labels[row, place] = torch.tensor(one.labels)
        features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if return_labels:
            features["labels"] = labels
        return features

    def understood_pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures -> (U, 3, h, w) for the vision tower."""
        aspect = self.understanding_aspect
        return understood_pixels(images, self.image_processor, "pad" if aspect == "pad" else "crop")

    def text_of(self, ids: Sequence[int]) -> str:
        """The words of a reply's ids."""
        return self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _render(self, messages: list[dict[str, str]]) -> str:
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, tokenize=False
        )

    def _ids_and_labels(self, pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
        ids: list[int] = [self.tokenizer.bos_token_id] if self.add_bos else []
        labels: list[int] = [IGNORE_INDEX] * len(ids)
        for piece in pieces:
            new = self._piece_ids(piece)
            ids += new
            pad = self._ids[IMAGE_GEN_PAD]
            labels += [
                id_ if piece.is_answer and id_ != pad and piece.kind != "image" else IGNORE_INDEX
                for id_ in new
            ]
        return ids, labels

    def _piece_ids(self, piece: Piece) -> list[int]:
        if piece.kind == "image":
            return [self._ids[IMAGE]] * self.num_image_tokens
        if piece.kind == "image_gen":
            pads = [self._ids[IMAGE_GEN_PAD]] * num_codes(self.patch_nums)
            return [self._ids[IMAGE_GEN_START], *pads, self._ids[IMAGE_GEN_END]]
        if piece.kind == "special":
            return [self.tokenizer.convert_tokens_to_ids(piece.text)]
        # A tokenizer that puts a blank before every text would double the first one.
        text = piece.text.removeprefix(" ") if self._prefixes_space else piece.text
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def _drawn(self, images: Sequence[ImageOrCodes]) -> dict[str, Tensor]:
        codes = [image for image in images if isinstance(image, Tensor)]
        pictures = [image for image in images if not isinstance(image, Tensor)]
        if codes and pictures:
            raise ValueError(
                f"{len(codes)} images to draw are codes and {len(pictures)} pictures; give all "
                "as codes or all as pictures"
            )
        if codes:
            return {"image_code_ids": torch.stack(codes).long()}
        if pictures:
            pixels = [
                centre_pixels(as_rgb(picture, "image to draw"), self.image_size_px)
                for picture in pictures
            ]
            return {"target_pixel_values": torch.stack(pixels)}
        return {}


_TOKENS = (IMAGE, IMAGE_GEN_START, IMAGE_GEN_PAD, IMAGE_GEN_END)


def _picture(image: ImageOrCodes, name: str) -> Image.Image:
    if isinstance(image, Tensor):
        raise ValueError(f"{name}: codes found for {IMAGE}, a picture was expected")
    return as_rgb(image, name)


def _prefixes_space(tokenizer: Any) -> bool:
    """Whether the tokenizer writes "x" as " x", as SentencePiece's dummy prefix does."""
    first = tokenizer.convert_ids_to_tokens(tokenizer("x", add_special_tokens=False).input_ids)[0]
    return first.startswith("\u2581")
