"""The offline writer: answers a chat completion request from its bytes alone."""

import json

from vargpt_datagen.offline.chance import Chance
from vargpt_datagen.offline.forms import CAPITAL_SCENE, SCENE, Forms, forms_for
from vargpt_datagen.offline.mistakes import PAIR_MISTAKES, REPLY_MISTAKES, read_task
from vargpt_datagen.offline.wording import names_its_medium, phrase_of, reworded, shortened
from vargpt_datagen.reply import Pair, Reply
from vargpt_schema.errors import UserError

_MISTAKE_ONE_IN = 200
_MISTAKES = (*PAIR_MISTAKES, *REPLY_MISTAKES)
_CAPTION = "Caption: "
_TO_JSON = json.JSONEncoder(ensure_ascii=False).encode


class OfflineWriter:
    """A client whose endpoint is a grammar; equal bodies get equal replies, nothing is billed."""

    model = "offline-writer-1"

    async def complete(self, body: bytes) -> Reply:
        """UserError when the last message does not end with the line "Caption: ..."."""
        user_message = _last_message(body)
        chance = Chance(body)
        if not chance.one_in(_MISTAKE_ONE_IN):
            return self._reply(_json_text(_pair(_caption_of(user_message), chance)))
        mistake = chance.choose(_MISTAKES)
        return self.mistaken(mistake, user_message, chance)

    def mistaken(self, mistake: str, user_message: str, chance: Chance) -> Reply:
        """A reply with one mistake, named by the reason it is rejected for."""
        pair = _pair(_caption_of(user_message), chance)
        if mistake in PAIR_MISTAKES:
            pair = PAIR_MISTAKES[mistake](read_task(user_message), pair)
            return self._reply(_json_text(pair))
        spoilt = REPLY_MISTAKES[mistake](pair, _json_text(pair))
        return self._reply(spoilt.text, spoilt.finish_reason)

    def _reply(self, text: str, finish_reason: str = "stop") -> Reply:
        return Reply(text, finish_reason, self.model, 0, 0, 0, 0.0)


def _pair(caption: str, chance: Chance) -> Pair:
    scene = phrase_of(caption)
    told = reworded(scene, chance)
    prompt = chance.choose(chance.choose(_forms_for(told).requests))
    told_again = reworded(shortened(scene, chance), chance)
    answer = chance.choose(chance.choose(_forms_for(told_again).answers))
    return Pair(_filled(prompt, told), _filled(answer, told_again))


def _forms_for(scene: str) -> Forms:
    return forms_for(has_with=" with " in scene, has_medium=names_its_medium(scene))


def _filled(form: str, scene: str) -> str:
    if CAPITAL_SCENE in form:
        return form.replace(CAPITAL_SCENE, scene[:1].upper() + scene[1:])
    return form.replace(SCENE, scene)


def _json_text(pair: Pair) -> str:
    return _TO_JSON({"prompt": pair.prompt, "answer": pair.answer})


def _last_message(body: bytes) -> str:
    try:
        content = json.loads(body)["messages"][-1]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"offline writer: a request body without messages ({error!r}), the JSON of a chat "
            "completion request expected. Write it with the shipped templates."
        ) from error
    if not isinstance(content, str):
        raise UserError(
            f"offline writer: the last message is {type(content).__name__}, text expected. "
            "Write it with the shipped templates."
        )
    return content.rstrip("\n")


def _caption_of(user_message: str) -> str:
    last_line = user_message[user_message.rfind("\n") + 1 :]
    caption = last_line.removeprefix(_CAPTION)
    if caption == last_line or not caption.strip():
        raise UserError(
            f"offline writer: the request ends with the line {last_line[:80]!r}, "
            f"'{_CAPTION}...' expected. Let the user template end with the caption."
        )
    return caption
