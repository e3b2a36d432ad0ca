"""The reading of a reply as a list of texts."""

import json

from vargpt_datagen.reply import NO_REPLY, REFUSED, Reply, Unusable

KEY = "seeds"  # of the JSON object that a request asks for
_FINAL = {REFUSED: "refused", NO_REPLY: "no_reply"}  # asking again would not help


def read_texts(reply: Reply) -> list[str] | Unusable:
    """The texts of a reply's JSON object, as they are; items that are no text are left out."""
    if reply.finish_reason in _FINAL:
        return Unusable(_FINAL[reply.finish_reason], reply.text, is_final=True)
    if not reply.text.strip():  # DeepSeek's JSON mode blanks what it could not parse
        return Unusable("blank", f"finish_reason {reply.finish_reason}")
    if reply.finish_reason != "stop":
        return Unusable("cut_off", f"finish_reason {reply.finish_reason}")
    try:
        found = json.loads(reply.text)
    except (ValueError, RecursionError) as error:
        return Unusable("malformed_json", str(error))
    items = found.get(KEY) if isinstance(found, dict) else None
    if not isinstance(items, list):
        return Unusable("malformed_json", f"no list {KEY!r} in {reply.text[:80]!r}")
    texts = [item for item in items if isinstance(item, str) and item.strip()]
    if not texts:
        return Unusable("malformed_json", f"no text in the list {KEY!r}")
    return texts
