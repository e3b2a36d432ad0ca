"""A reply in the making: the model works in a thread, a page looks at what there is so far.

n codes of one scale.
"""

import threading
import traceback
from collections.abc import Generator
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from vargpt_model.errors import ContextFullError
from vargpt_model.generation import (
    Event,
    GenerationOptions,
    ImageEvent,
    ImagePart,
    ImageStartEvent,
    ScaleEvent,
    TextPart,
    TokenEvent,
    answer,
)
from vargpt_model.generation.growing_text import GrowingText
from vargpt_model.preprocessing import to_uint8
from vargpt_model.processor.processor import ImageOrCodes
from vargpt_model.weights.model_folder import Opened
from vargpt_schema.errors import UserError

Ending = Literal["stop", "length", "context", "stopped", "error"]


class LiveReply:
    """One row of `answer`, with everything heard so far. `ending` is None while the model works."""

    def __init__(
        self,
        opened: Opened,
        messages: list[dict[str, Any]],
        images: list[ImageOrCodes],
        *,
        seed: int,
        options: GenerationOptions,
        one_at_a_time: threading.Lock,
    ) -> None:
        self.ending: Ending | None = None
        self.error = ""
        self._opened = opened
        self._parts: list[TextPart | ImagePart] = []  # finished
        self._text = GrowingText(opened.processor.text_of)
        self._scales: list[Tensor] = []
        self._picture: Image.Image | None = None
        self._is_stop_asked = threading.Event()
        self._lock = threading.Lock()  # guards parts, text, picture and ending
        self._is_new = threading.Event()
        arguments = (messages, images, seed, options, one_at_a_time)
        self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)

    def changes(self) -> Generator[None, None, None]:
        """Start, then come by whenever something is new, until the reply has ended.

        Whoever closes it early ends the reply. A slow reader misses steps.
        """
        self._thread.start()
        try:
            while self.ending is None:
                self._is_new.wait()
                self._is_new.clear()
                yield
        finally:
            self.stop()
            self._thread.join()

    def stop(self) -> None:
        """End behind the token or scale that is being chosen."""
        self._is_stop_asked.set()

    @property
    def parts(self) -> tuple[TextPart | ImagePart, ...]:
        """What is said so far; words that are still being written are the last part."""
        with self._lock:
            return (*self._parts, *self._written())

    @property
    def picture(self) -> Image.Image | None:
        """The image that is being drawn, behind `parts`: its scales so far."""
        return self._picture

    def _work(
        self,
        messages: list[dict[str, Any]],
        images: list[ImageOrCodes],
        seed: int,
        options: GenerationOptions,
        one_at_a_time: threading.Lock,
    ) -> None:
        ending: Ending = "error"
        try:
            with one_at_a_time:
                reply = answer(
                    self._opened.model,
                    self._opened.processor,
                    [messages],
                    [images],
                    seeds=[seed],
                    options=options,
                    on_event=self._hear,
                )[0]
            with self._lock:  # the same parts, whole characters also where a limit cut them
                self._parts, self._text = reply.parts, GrowingText(self._opened.processor.text_of)
            ending = reply.finish_reason
        except _StopAskedError:
            ending = "stopped"
        except ContextFullError:
            self.error = "The model's context is full: start a new conversation, or write less."
        except UserError as error:
            self.error = str(error)
        except torch.OutOfMemoryError:
            self.error = "The memory of the device is full: start a new conversation."
        except Exception as error:  # a page stays up whatever one reply meets
            traceback.print_exc()
            self.error = f"The model failed ({type(error).__name__}): its terminal says more."
        with self._lock:
            self._picture = None
            self.ending = ending
        self._is_new.set()

    def _hear(self, event: Event) -> None:
        if self._is_stop_asked.is_set():
            raise _StopAskedError
        if isinstance(event, ScaleEvent):
            self._scales.append(event.code_ids)
            picture = self._picture_so_far()
            with self._lock:
                self._picture = picture
            self._is_new.set()
            return
        with self._lock:
            if isinstance(event, TokenEvent):
                self._text.add(event.token_id)
            elif isinstance(event, ImageStartEvent):
                self._parts += self._written()
                self._text = GrowingText(self._opened.processor.text_of)
                self._scales = []
            elif isinstance(event, ImageEvent):
                self._picture = None
                self._parts.append(event.image)
        self._is_new.set()

    def _written(self) -> list[TextPart]:
        text = self._text
        return [TextPart(tuple(text.token_ids), text.text)] if text.token_ids else []

    def _picture_so_far(self) -> Image.Image:
        tokenizer = self._opened.model.vae_local
        scales = [ids[None].to(self._opened.model.device) for ids in self._scales]  # (1, n) each
        pixels = to_uint8(tokenizer.decode(scales).float().add(1).div(2))[0].cpu()
        return ImagePart(pixels, torch.cat(self._scales)).picture()


class _StopAskedError(Exception):
    """Leaves the model from within."""
