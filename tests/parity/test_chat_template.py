from pathlib import Path

import pytest
import trl
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pathvlm_r1.model.nano import CHAT_TEMPLATE

OFFICIAL = (Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja").read_text()
TEXT = {"role": "user", "content": "Which grade fits?"}
SYSTEM = {"role": "system", "content": "You are a pathologist."}
PARTS = [{"type": "image"}, {"type": "text", "text": "Which grade\nfits? <think>"}]
PICTURE = {"role": "user", "content": PARTS}
ANSWER = {"role": "assistant", "content": "<think>Large nuclei.</think><answer>B</answer>"}
DIALOGUES = {
    "text": [TEXT],
    "picture": [PICTURE],
    "picture_last": [{"role": "user", "content": PARTS[::-1]}],
    "two_pictures": [{"role": "user", "content": [PARTS[0], *PARTS]}],
    "text_part": [{"role": "user", "content": [PARTS[1]]}],
    "answered": [PICTURE, ANSWER],
    "several_turns": [PICTURE, ANSWER, TEXT],
}


def rendered(template, messages, *, add_generation_prompt):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)  # as transformers has it
    return environment.from_string(template).render(messages=messages, add_generation_prompt=add_generation_prompt)


@pytest.mark.parametrize("name", DIALOGUES)
@pytest.mark.parametrize("has_system", [True, False])
@pytest.mark.parametrize("add_generation_prompt", [True, False])
def test_our_template_writes_what_the_official_one_writes(name, has_system, add_generation_prompt):
    messages = [*([SYSTEM] if has_system else []), *DIALOGUES[name]]
    settings = {"add_generation_prompt": add_generation_prompt}
    ours = rendered(CHAT_TEMPLATE, messages, **settings)
    assert ours == rendered(OFFICIAL, messages, **settings)
    assert ours.count("<|image_pad|>") == str(messages).count("'type': 'image'")


def test_a_template_without_the_default_system_message_would_be_caught():
    wrong = CHAT_TEMPLATE.replace("You are a helpful assistant.", "")
    assert rendered(wrong, [TEXT], add_generation_prompt=True) != rendered(OFFICIAL, [TEXT], add_generation_prompt=True)
