"""What happens between a visitor's words and a page: one model, many sessions, one at a time."""

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vargpt_model.conversation import Conversation, Turn
from vargpt_model.demo.live_reply import LiveReply
from vargpt_model.generation import GenerationOptions, ImagePart, TextPart
from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.preprocessing import open_image
from vargpt_model.weights.model_folder import Opened
from vargpt_schema.errors import UserError

# The vision tower sees a few hundred pixels; sessions keep what they were shown.
MAX_ATTACHED_SIDE_PX = 2048


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """One turn for a page: words and files of pictures."""

    words: str
    attached: tuple[Path, ...]
    parts: tuple[str | Path, ...] = ()


class Session:
    """What one visitor said and saw. Holds no model, so that it can be copied and thrown away."""

    def __init__(self) -> None:
        # Part of a path that the page's addresses contain: others must not guess it.
        self.name = secrets.token_hex(16)
        self.conversation = Conversation()
        self.shown: list[ShownTurn] = []  # one for each turn of the conversation
        self.drawn: list[Path] = []  # of all conversations, oldest first
        self.live: LiveReply | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows now."""

    turns: tuple[ShownTurn, ...]
    drawn: tuple[Path, ...]
    notice: str = ""  # one sentence, "" when there is nothing to say
    is_working: bool = False
    given_back: ShownTurn | None = None  # what was asked and is no part of the conversation


class Talk:
    """Answers sessions with one model. Pictures are PNG files below `folder`."""

    def __init__(self, opened: Opened, folder: Path) -> None:
        self.opened = opened
        self.folder = folder
        self.num_replies = 0
        self.num_images = 0
        self._one_at_a_time = threading.Lock()

    def reply(
        self,
        session: Session,
        words: str,
        attached: Sequence[Path],
        *,
        seed: int,
        options: GenerationOptions,
    ) -> Iterator[View]:
        """Views while the model answers; what it said joins the conversation at the end.

        The page and the model always remember the same: a question without any answer is given
        back to the visitor. The same turn of the same conversation and seed draws the same.
        """
        asked = ShownTurn(words, tuple(attached))
        try:
            _expect_words(words)
            pictures = tuple(_opened_picture(path) for path in attached)
        except UserError as error:
            yield _view(session, notice=str(error), given_back=asked)
            return
        conversation = session.conversation
        messages, images = conversation.model_input(words, pictures)
        live = LiveReply(
            self.opened,
            messages,
            images,
            seed=stream_seed(seed, "turn", len(conversation.turns)),
            options=options,
            one_at_a_time=self._one_at_a_time,
        )
        saved = _SavedPictures(self.folder / session.name, len(session.drawn))
        session.live = live
        try:
            yield _view(session, live=asked)
            with closing(live.changes()) as changes:
                for _ in changes:
                    parts = saved.shown(live.parts, live.picture)
                    if session.conversation is conversation:
                        yield _view(session, live=ShownTurn(words, asked.attached, parts))
        finally:
            session.live = None
            # The last picture and the end may come as one change, unseen by the loop.
            parts = saved.shown(live.parts, None)
            session.drawn += saved.finished
            self.num_images += len(saved.finished)
        if session.conversation is not conversation:  # started anew meanwhile
            yield _view(session)
        elif live.ending == "error" or not live.parts:
            notice = live.error or _NOTICES[live.ending or "stop"] or SAID_NOTHING
            yield _view(session, notice=notice, given_back=asked)
        else:
            self.num_replies += 1
            conversation.turns.append(Turn(words, pictures, live.parts))
            session.shown.append(ShownTurn(words, asked.attached, parts))
            yield _view(session, notice=_NOTICES[live.ending or "stop"])

    def stop(self, session: Session) -> None:
        """End the reply in the making; what is said by then stays."""
        if session.live is not None:
            session.live.stop()

    def start_anew(self, session: Session) -> View:
        """Forget the conversation; what was drawn stays in the gallery."""
        self.stop(session)
        session.conversation = Conversation()
        session.shown = []
        return _view(session)


SAID_NOTHING = "The model said nothing: ask in other words."
_NOTICES = {
    "stop": "",
    "length": "The reply reached its limit of tokens and was cut.",
    "context": "The model's context is full: start a new conversation.",
    "stopped": "Stopped.",
}


class _SavedPictures:
    """The pictures of one reply as files, each written once."""

    def __init__(self, folder: Path, first_number: int) -> None:
        self.finished: list[Path] = []
        self._folder, self._first_number = folder, first_number
        self._unfinished: tuple[Image.Image, Path] | None = None
        self._num_steps = 0

    def shown(
        self, parts: Sequence[TextPart | ImagePart], picture: Image.Image | None
    ) -> tuple[str | Path, ...]:
        """Texts, paths of images, and last the path of the picture that is being drawn."""
        shown: list[str | Path] = []
        num_images = 0
        for part in parts:
            if isinstance(part, TextPart):
                shown.append(part.text)
                continue
            if num_images == len(self.finished):
                self.finished.append(self._save(part.picture(), f"drawn-{self._number:03d}.png"))
            shown.append(self.finished[num_images])
            num_images += 1
        if picture is not None:
            shown.append(self._step(picture))
        return tuple(shown)

    @property
    def _number(self) -> int:
        return self._first_number + len(self.finished)

    def _step(self, picture: Image.Image) -> Path:
        if self._unfinished is None or self._unfinished[0] is not picture:
            # Each step is a file of its own, or browsers would go on showing the first.
            path = self._save(picture, f"drawing-{self._number:03d}-{self._num_steps:03d}.png")
            self._unfinished = picture, path
            self._num_steps += 1
        return self._unfinished[1]

    def _save(self, picture: Image.Image, name: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        picture.save(path, format="PNG")
        return path


def _view(
    session: Session,
    *,
    live: ShownTurn | None = None,
    notice: str = "",
    given_back: ShownTurn | None = None,
) -> View:
    turns = (*session.shown, *([live] if live else []))
    return View(turns, tuple(session.drawn), notice, live is not None, given_back)


def _expect_words(words: str) -> None:
    if not words.strip():
        raise UserError("No words found: write what the model should say or draw.")


def _opened_picture(path: Path) -> Image.Image:
    # From bytes, so that an error names the visitor's file and not its place here.
    picture = open_image(path.read_bytes(), path.name)
    picture.thumbnail((MAX_ATTACHED_SIDE_PX, MAX_ATTACHED_SIDE_PX))
    return picture
