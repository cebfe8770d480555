"""The CLIP encoder, on a small one of random weights that is made here, against the library's own model."""

import re

import pytest
import torch
from tiny import Noise
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pathvlm_r1.config import ConfigError
from pathvlm_r1.model import HFClip

TEXTS = ["uniform nuclei", "glands", "necrosis and uniform glands"]
PICTURES = [Noise(40, 30, seed).load() for seed in range(5)]
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<unk>"
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A CLIP of two layers in the library's own form."""
    words = [START, END, UNKNOWN, *sorted({word for text in TEXTS for word in text.split()})]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    end = words.index(END)
    tokenizer.post_processor = processors.TemplateProcessing(f"$A {END}", None, [(END, end)])
    config = CLIPConfig(
        text_config=SMALL | {"vocab_size": len(words), "max_position_embeddings": 4, "eos_token_id": end,
                             "bos_token_id": 0, "pad_token_id": end},
        vision_config=SMALL | {"image_size": 32, "patch_size": 8}, projection_dim=12,
    )  # fmt: skip
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, unk_token=UNKNOWN
    ).save_pretrained(path)
    sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessorPil(**sizes).save_pretrained(path)
    return path


def encoder_of(folder, batch_size=2):
    return HFClip(checkpoint=str(folder), batch_size=batch_size, device="cpu")


def test_vectors_have_length_one_and_their_products_are_the_model_s_own_similarities(folder):
    encoder = encoder_of(folder)
    texts, pictures = encoder.texts(TEXTS), encoder.images(PICTURES)
    assert (texts.shape, pictures.shape) == ((3, 12), (5, 12))
    for vectors in (texts, pictures):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(vectors)))
    model = CLIPModel.from_pretrained(folder).eval()
    tokens = PreTrainedTokenizerFast.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=4, return_tensors="pt"
    )
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(PICTURES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        said = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], pixel_values=pixels)
    expected = said.logits_per_text / model.logit_scale.exp()
    torch.testing.assert_close(texts @ pictures.T, expected, rtol=1e-4, atol=1e-5)


def test_it_is_told_once_where_the_encoder_lies_and_what_it_takes(folder, caplog):
    encoder = encoder_of(folder)
    with caplog.at_level("INFO", logger="pathvlm_r1"):
        encoder.texts(TEXTS)
        encoder.images(PICTURES)
    (told,) = [record.message for record in caplog.records if record.name.startswith("pathvlm_r1")]
    size = (folder / "model.safetensors").stat().st_size / 2**20
    found = re.fullmatch(rf"image_text_alignment: ([\d.]+) MiB of {folder} on cpu, for the whole run", told)
    assert float(found[1]) == pytest.approx(size, abs=0.1)


def test_batches_change_no_vector_and_long_texts_are_cut(folder):
    one_by_one, together = encoder_of(folder, 1), encoder_of(folder, 16)
    torch.testing.assert_close(one_by_one.images(PICTURES), together.images(PICTURES))
    long = "uniform nuclei glands necrosis and and and and"
    cut = " ".join(long.split()[:3])  # of four tokens the last is the end's
    torch.testing.assert_close(together.texts([long]), together.texts([cut]))


def test_nothing_is_loaded_before_it_is_asked_and_what_is_no_clip_is_named(tmp_path):
    encoder = encoder_of(tmp_path / "nowhere")
    with pytest.raises(ConfigError) as caught:
        encoder.texts(["glands"])
    assert str(caught.value).startswith(
        f"reward.image_text_alignment.encoder.checkpoint={tmp_path / 'nowhere'}: no CLIP can be loaded from it"
    )
