"""The page: Gradio's components around a `Talk`."""

import html
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Default

from vargpt_model.demo.talk import Session, ShownTurn, Talk, View
from vargpt_model.generation import GenerationOptions

MAX_WAITING = 16  # questions in the queue, over all visitors
DAY_S = 24 * 3600
MAX_SEED = 9999
MAX_GUIDANCE_SCALE = 10.0

# Fonts of the visitor's system: the theme's own would come from outside.
THEME = Default(
    primary_hue="blue",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
CSS = """
.gradio-container { width: 100%; max-width: 1200px !important; margin: 0 auto; }
#title h1 { font-size: 1.4rem; }
#conversation .bot img { width: 256px; height: auto; max-width: 100%; object-fit: contain;
                         image-rendering: pixelated; }
#conversation .user img { max-height: 192px; width: auto; }
#conversation .image-container { width: fit-content; }
#conversation [aria-label="Share"] { display: none; }
#conversation .message-content { overflow-wrap: anywhere; white-space: pre-wrap; }
#drawn img { image-rendering: pixelated; }
#drawn .grid-wrap { padding-top: 2rem; }
"""


def build_page(talk: Talk, name: str, options: GenerationOptions) -> gr.Blocks:
    """All components and what they do; `name` is the model's, `options` where the sliders start."""
    drawing = options.drawing or talk.opened.model.config.drawing_config
    num_codes = talk.opened.model.config.image_tokenizer_config.vocab_size
    with gr.Blocks(
        title="VARGPT", analytics_enabled=False, fill_width=True, delete_cache=(DAY_S, DAY_S)
    ) as page:
        session = gr.State(Session, time_to_live=DAY_S)
        gr.Markdown("# VARGPT", elem_id="title")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                conversation = gr.Chatbot(
                    elem_id="conversation",
                    label=name,
                    height="62vh",
                    # Markdown would follow links and fetch pictures that a text names.
                    render_markdown=False,
                    latex_delimiters=[],
                    allow_tags=False,
                    buttons=[],
                    feedback_options=None,
                )
                # No gr.HTML: it takes its value for a template and evaluates it.
                notice = gr.Textbox(
                    elem_id="notice", visible=False, interactive=False, container=False, max_lines=4
                )
                box = gr.MultimodalTextbox(
                    elem_id="box",
                    show_label=False,
                    placeholder="Ask for a picture, or about one",
                    sources=["upload"],
                    file_types=["image"],
                    file_count="multiple",
                    autofocus=True,
                )
            with gr.Column(scale=2, min_width=280):
                drawn = gr.Gallery(
                    elem_id="drawn",
                    label="Drawn here",
                    format="png",
                    columns=3,
                    height=340,
                    object_fit="contain",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                )
                new = gr.Button("New conversation", elem_id="new")
                with gr.Accordion("How it draws", open=True):
                    sliders = [
                        gr.Slider(
                            0,
                            max(MAX_GUIDANCE_SCALE, drawing.guidance_scale),
                            drawing.guidance_scale,
                            step=0.1,
                            label="Guidance",
                            info="0 = off",
                        ),
                        gr.Slider(
                            0,
                            num_codes,
                            min(drawing.top_k, num_codes),
                            step=1,
                            label="Top-k",
                            info="0 = all codes",
                        ),
                        gr.Slider(0, 1, drawing.top_p, step=0.01, label="Top-p", info="0 = off"),
                        gr.Slider(0, MAX_SEED, 0, step=1, label="Seed"),
                        gr.Slider(
                            0,
                            max(1, options.max_images),
                            options.min_images,
                            step=1,
                            label="Pictures in every reply, at least",
                        ),
                    ]

        outputs = [conversation, drawn, notice, box]

        def reply(
            own: Session,
            said: dict[str, Any],
            guidance_scale: float,
            top_k: float,
            top_p: float,
            seed: float,
            min_images: float,
        ) -> Iterator[tuple[Any, ...]]:
            chosen = replace(
                options,
                min_images=min(int(min_images), options.max_images),
                drawing=replace(
                    drawing, guidance_scale=guidance_scale, top_k=int(top_k), top_p=top_p
                ),
            )
            files = [Path(file) for file in said["files"]]
            views = talk.reply(own, said["text"] or "", files, seed=int(seed), options=chosen)
            is_first, num_drawn = True, len(own.drawn)
            for view in views:
                gallery = _gallery(view) if len(view.drawn) != num_drawn else gr.skip()
                num_drawn = len(view.drawn)
                yield _messages(view), gallery, _notice(view), _box(view, is_first=is_first)
                is_first = False

        def start_anew(own: Session) -> tuple[Any, ...]:
            view = talk.start_anew(own)
            return _messages(view), gr.skip(), _notice(view), _box(view, is_first=False)

        box.submit(
            reply,
            [session, box, *sliders],
            outputs,
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=[notice],
            api_visibility="private",
        )
        box.stop(talk.stop, [session], None, queue=False, api_visibility="private")
        for anew in (new.click, conversation.clear):
            anew(start_anew, [session], outputs, queue=False, api_visibility="private")
    page.queue(max_size=MAX_WAITING)
    return page


def _messages(view: View) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in view.turns:
        asked: list[str | Path] = [*turn.attached, turn.words]
        messages.append({"role": "user", "content": [_content(part) for part in asked]})
        answered = [_content(part) for part in turn.parts if part != ""]
        if answered:
            messages.append({"role": "assistant", "content": answered})
    return messages


def _content(part: str | Path) -> Any:
    # Gradio puts text into the page as HTML, also where it is told to leave Markdown alone.
    return {"path": str(part)} if isinstance(part, Path) else html.escape(part, quote=False)


def _gallery(view: View) -> list[str]:
    return [str(path) for path in reversed(view.drawn)]


def _notice(view: View) -> Any:
    return gr.Textbox(view.notice, visible=bool(view.notice))


def _box(view: View, *, is_first: bool) -> Any:
    """The box while the model works and afterwards; what is being typed meanwhile stays."""
    if view.given_back is not None:
        return gr.MultimodalTextbox(_said(view.given_back), submit_btn=True, stop_btn=False)
    if not view.is_working:
        return gr.MultimodalTextbox(submit_btn=True, stop_btn=False)
    if is_first:
        return gr.MultimodalTextbox({"text": "", "files": []}, submit_btn=False, stop_btn=True)
    return gr.skip()


def _said(turn: ShownTurn) -> dict[str, Any]:
    return {"text": turn.words, "files": [str(path) for path in turn.attached]}
