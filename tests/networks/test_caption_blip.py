"""BLIP captioners load from a directory and say the same about the same image."""

import pytest
import torch
from random_networks import save_blip

from ntnsim.errors import BundleError
from ntnsim.networks.bundle import Member, open_bundle, write_manifest
from ntnsim.networks.caption import BlipCaptioner
from ntnsim.networks.load import load_captioner


@pytest.fixture(scope="module")
def captioner_bundle(tmp_path_factory):
    torch.manual_seed(5)
    directory = tmp_path_factory.mktemp("blip") / "blip"
    save_blip(directory / "captioner")
    write_manifest(directory, "random", [Member("captioner", "blip", options={"max_tokens": 8})])
    return open_bundle(directory)


def test_captions_are_text_of_the_vocabulary_and_repeat(captioner_bundle, photograph):
    captioner = load_captioner(captioner_bundle)
    first = captioner.captions([photograph, photograph[:40, :30]])
    assert captioner.captions([photograph[:40, :30]])[0] == first[1]
    assert all(isinstance(text, str) and len(text.split()) <= 8 for text in first)


def test_directory_that_holds_no_captioner_is_named(tmp_path):
    with pytest.raises(BundleError, match="not loadable as a BLIP captioner"):
        BlipCaptioner(tmp_path)
