import pytest
import torch

from nas.data.mixing import mix


def numbered(count=8, side=8):
    """Image n is n everywhere."""
    return torch.arange(count).float().view(-1, 1, 1, 1).expand(count, 1, side, side).clone()


def draws(number=60, **alphas):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    return [mix(numbered(), generator=generator, **alphas) for _ in range(number)]


def test_mixup_is_the_weighted_sum_of_both_images():
    for mixed, order, share in draws(mixup=0.4, cutmix=0):
        expected = share * numbered() + (1 - share) * numbered()[order]
        torch.testing.assert_close(mixed, expected)
        assert 0 <= share <= 1


def test_cutmix_pastes_one_rectangle_and_the_share_is_what_is_left():
    for mixed, order, share in draws(mixup=0, cutmix=1.0):
        own, other = torch.arange(8), order
        pasted = mixed[:, 0] != own.view(-1, 1, 1)
        for image in range(8):
            if own[image] == other[image]:
                assert not pasted[image].any()
                continue
            box = pasted[image]
            assert torch.equal(box, box.any(1)[:, None] & box.any(0)[None])
            assert bool((mixed[image, 0][box] == other[image]).all())
            assert float(box.float().mean()) == pytest.approx(1 - share)


def test_a_batch_gets_one_of_both_about_as_often():
    whole = sum(
        # Mixed up images have one value everywhere, cut ones in general two.
        bool((mixed == mixed[:, :, :1, :1]).all())
        for mixed, _, _ in draws(200, mixup=1.0, cutmix=1.0)
    )
    assert 70 < whole < 135  # cuts of no or all pixels count as whole


def test_shares_of_a_large_alpha_lie_around_one_half():
    shares = torch.tensor([share for _, _, share in draws(200, mixup=50.0, cutmix=0)])
    # Beta(50, 50): mean 1/2, deviation 0.05.
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(shares.std()) == pytest.approx(0.05, abs=0.015)
