"""`vargpt chat`: a conversation in the terminal, with pictures in and out."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image

from vargpt_model.conversation import Conversation, Turn
from vargpt_model.generation import (
    Event,
    GenerationOptions,
    ImagePart,
    ScaleEvent,
    TokenEvent,
    answer,
)
from vargpt_model.generation.growing_text import GrowingText
from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.preprocessing import open_image
from vargpt_model.weights.model_folder import Opened
from vargpt_schema.errors import UserError

HELP = "/image PATH shows the model a picture, /reset starts anew, /quit ends"


class Chat:
    """One conversation: what was said, and the pictures of both sides."""

    def __init__(
        self,
        opened: Opened,
        out: Path,
        *,
        seed: int,
        options: GenerationOptions,
        write: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self.opened, self.out, self.seed, self.options = opened, out, seed, options
        self.write, self.note = write, note
        self.num_saved = 0
        self.num_turns = 0
        self.reset()

    def reset(self) -> None:
        """Forget what was said."""
        self.conversation = Conversation()
        self.attached: list[Image.Image] = []

    def run(self, lines: Iterable[str]) -> None:
        """Answer line by line until the lines or the user end."""
        for line in lines:
            words = line.strip()
            if words == "/quit":
                return
            try:
                self._take(words)
            except UserError as error:
                self.note(f"error: {error}")

    def _take(self, words: str) -> None:
        if not words:
            return
        if words == "/reset":
            self.reset()
        elif words.startswith("/image "):
            self.attached.append(open_image(Path(words.removeprefix("/image ").strip())))
        elif words.startswith("/"):
            self.note(f"unknown command {words.split()[0]}: {HELP}")
        else:
            self._answer(words)

    def _answer(self, words: str) -> None:
        messages, images = self.conversation.model_input(words, self.attached)
        streamed = _Streamed(self.opened.processor.text_of, self.write, self.note)
        reply = answer(
            self.opened.model,
            self.opened.processor,
            [messages],
            [images],
            seeds=[stream_seed(self.seed, "turn", self.num_turns)],
            options=self.options,
            on_event=streamed.hear,
        )[0]
        self.num_turns += 1
        self.write("\n")
        for image in reply.images:
            self._save(image)
        if reply.finish_reason != "stop":
            self.note(f"(ended by {reply.finish_reason})")
        turn = Turn(words, tuple(self.attached), tuple(reply.parts))
        self.conversation.turns.append(turn)
        self.attached = []

    def _save(self, image: ImagePart) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{self.num_saved:03d}.png"
        while path.exists():
            self.num_saved += 1
            path = self.out / f"{self.num_saved:03d}.png"
        image.picture().save(path)
        self.num_saved += 1
        self.note(f"[image: {path}]")


class _Streamed:
    """Writes words as they come and says how far a drawing is."""

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        write: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self.decode, self.write, self.note = decode, write, note
        self.text = GrowingText(decode)

    def hear(self, event: Event) -> None:
        """Take one event of the only row."""
        if isinstance(event, TokenEvent):
            self.write(self.text.add(event.token_id))
        elif isinstance(event, ScaleEvent):
            if event.scale == 0:
                self.write("\n")
            self.note(f"[drawing: {event.code_ids.numel()} codes]")
            self.text = GrowingText(self.decode)
