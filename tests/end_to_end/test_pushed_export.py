"""`task=export hub_id=…`: an exported folder at a stand-in of the hub, and what is refused before and there."""

import socket

import pytest
from fake_model_hub import COMMIT, READ_ONLY, TOKEN, model_hub
from running import entry

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.tracking import write_text


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The embedded model in the form of a run's export."""
    folder = tmp_path_factory.mktemp("outputs") / "sft-s0" / "export"
    folder.mkdir(parents=True)
    for path in EMBEDDED_FOLDER.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    write_text(folder / "provenance.json", "{}\n")
    write_text(folder / "README.md", "---\nlibrary_name: transformers\n---\n\n# sft-s0\n")
    return folder


def ask(address, patch):
    """Let huggingface_hub ask this address; it reads HF_ENDPOINT and HF_HUB_OFFLINE only when it is imported."""
    patch.setattr("huggingface_hub.constants.ENDPOINT", address)
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    patch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def hub(monkeypatch):
    with model_hub() as served:
        ask(served.address, monkeypatch)
        yield served


def pushed(folder, *more):
    return entry("eval", "task=export", f"model.checkpoint={folder}", "hub_id=me/name", *more)


def refusal(folder, *more):
    outcome = pushed(folder, *more)
    assert outcome.status == 2
    assert outcome.stderr.count("\n") == 1
    return outcome.stderr


@pytest.mark.parametrize(("typed", "is_private"), [([], True), (["private=false"], False)])
def test_the_whole_folder_arrives_as_it_is_in_a_repository_that_is_private_unless_asked_otherwise(
    export, hub, typed, is_private
):
    outcome = pushed(export, *typed)
    assert outcome.status == 0, outcome.text
    assert hub.files == {path.name: path.read_bytes() for path in export.iterdir()}
    assert (hub.made[0]["organization"], hub.made[0]["name"]) == ("me", "name")
    assert hub.made[0].get("private", hub.made[0].get("visibility") == "private") is is_private
    assert COMMIT in outcome.stdout
    assert f"{hub.address}/me/name" in outcome.stdout


@pytest.mark.parametrize("token", [READ_ONLY, "hf_wrong"])
def test_a_token_that_may_not_write_is_one_message(export, hub, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    assert "hub_id=me/name: the token in HF_TOKEN may not write there" in refusal(export)
    assert hub.files == {}


def test_no_token_is_one_message_and_nothing_is_asked(export, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert "hub_id=me/name: no token; give one with the right to write in the variable HF_TOKEN" in refusal(export)
    assert hub.made == []


def test_no_network_is_one_message(export, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    ask(nobody, monkeypatch)
    assert f"hub_id=me/name: {nobody} cannot be reached" in refusal(export)


def test_a_folder_that_is_no_export_is_one_message_that_says_what_is_missing(hub, tmp_path):
    write_text(tmp_path / "config.json", "{}\n")
    message = refusal(tmp_path)
    assert "is no export of a run, it has no *.safetensors, tokenizer.json, provenance.json, README.md" in message
    assert hub.made == []


def test_the_embedded_model_and_a_name_without_an_owner_are_refused_by_the_configuration(export):
    assert "model.checkpoint=embedded: the folder of an export" in refusal("embedded")
    assert "hub_id=name: owner/name" in refusal(export, "hub_id=name")
