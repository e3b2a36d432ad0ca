"""`vargpt demo` with a model that repeats what stands behind "repeat: ", to say what no small model
would, and that draws slowly enough to be watched. Run as a program with the command's words."""

import time
from unittest.mock import patch


def main() -> None:
    from vargpt_model import cli
    from vargpt_model.generation import Reply, ScaleEvent, TextPart, TokenEvent, answer

    def repeated_or_real(model, processor, conversations, images, *, on_event, **rest):
        words = conversations[0][-1]["content"][-1]["text"].removeprefix("\n")
        if words.startswith("repeat: "):
            text = words.removeprefix("repeat: ")
            ids = processor.tokenizer(text, split_special_tokens=True).input_ids
            for token_id in ids:
                on_event(TokenEvent(0, token_id))
            return [Reply([TextPart(tuple(ids), text)])]

        def slowly(event) -> None:
            on_event(event)
            if isinstance(event, ScaleEvent):
                time.sleep(0.5)

        return answer(model, processor, conversations, images, on_event=slowly, **rest)

    with patch("vargpt_model.demo.live_reply.answer", repeated_or_real):
        cli.main()


if __name__ == "__main__":
    main()
