"""How many threads torch has, inside and behind."""

from contextlib import suppress

import torch

from nas.threads import threads


def test_there_are_as_many_threads_as_before_behind_an_error_too():
    before = torch.get_num_threads()
    with suppress(KeyError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
