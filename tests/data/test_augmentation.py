import torch
from torch.nn import functional

from nas.data.augmentation import crop, erase, flip, jitter, shift


def shift_by_hand(image, pixels):
    """All crops of one padded image, as the set of their bytes."""
    _, height, width = image.shape
    padded = torch.zeros(image.shape[0], height + 2 * pixels, width + 2 * pixels, dtype=torch.uint8)
    padded[:, pixels : pixels + height, pixels : pixels + width] = image
    return {
        bytes(padded[:, y : y + height, x : x + width].contiguous().numpy())
        for y in range(2 * pixels + 1)
        for x in range(2 * pixels + 1)
    }


def test_shifting_gives_each_image_one_of_its_crops_and_in_the_end_all():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(1, 256, (2, 5, 4), dtype=torch.uint8, generator=generator)
    shifted = shift(image.repeat(400, 1, 1, 1), 1, generator=generator)
    assert {bytes(one.contiguous().numpy()) for one in shifted} == shift_by_hand(image, 1)


def test_a_shift_of_no_pixels_changes_nothing():
    images = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    assert shift(images, 0, generator=torch.Generator()) is images


def test_flipping_mirrors_about_half_of_the_images_and_leaves_the_others():
    generator = torch.Generator().manual_seed(0)
    images = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4).repeat(1000, 1, 1, 1)
    flipped = flip(images, generator=generator)
    mirrored = (flipped == images.flip(3)).all(3).all(2).all(1)
    same = (flipped == images).all(3).all(2).all(1)
    assert bool((mirrored ^ same).all())
    assert 420 < int(mirrored.sum()) < 580  # five standard deviations


def gradient(count=500, height=8, width=12):
    """Images whose value is 10 x column + row: what a crop shows tells where it is from."""
    rows = torch.arange(height).view(1, 1, height, 1)
    columns = torch.arange(width).view(1, 1, 1, width)
    return (10 * columns + rows).expand(count, 1, height, width).float()


def test_a_crop_of_the_whole_area_keeps_at_least_one_whole_side():
    generator = torch.Generator().manual_seed(0)
    images = gradient(20, 8, 8)
    # The whole area at another ratio of sides is cut to the image: at most one side is narrower.
    cropped = crop(images, 1.0, generator=generator)
    columns = cropped[:, 0, 0, -1] - cropped[:, 0, 0, 0]
    rows = cropped[:, 0, -1, 0] - cropped[:, 0, 0, 0]
    assert bool((columns.isclose(torch.tensor(70.0)) | rows.isclose(torch.tensor(7.0))).all())


def test_crops_are_parts_of_the_wanted_areas_and_ratios():
    images = gradient()
    cropped = crop(images, 0.25, generator=torch.Generator().manual_seed(0))
    # On a plane the step from pixel to pixel is the stretch: 10 x width share, 1 x height share.
    middle = cropped[:, 0, 3:5, 5:7]
    width = (middle[:, 0, 1] - middle[:, 0, 0]) / 10
    height = middle[:, 1, 0] - middle[:, 0, 0]
    area, ratio = width * height, width / height
    assert 0.24 < float(area.min()) < 0.28
    assert 0.95 < float(area.max()) <= 1.001
    assert float(ratio.min()) >= 3 / 4 - 1e-3
    assert float(ratio.max()) <= 4 / 3 + 1e-3
    # Nothing is from outside: values stay within those of the image.
    assert float(cropped.min()) >= 0
    assert float(cropped.max()) <= 117


def test_crops_are_bilinear_as_an_image_library_has_it():
    # The left half of an image, twice as wide, is what interpolation of that half gives inside.
    image = torch.rand(1, 1, 4, 8, generator=torch.Generator().manual_seed(3))
    theta = torch.tensor([[[0.5, 0, -0.5], [0, 1, 0]]])
    grid = functional.affine_grid(theta, [1, 1, 4, 8], align_corners=False)
    ours = functional.grid_sample(image, grid, align_corners=False, padding_mode="border")
    theirs = functional.interpolate(image[..., :4], size=(4, 8), mode="bilinear")
    torch.testing.assert_close(ours[..., 1:-1], theirs[..., 1:-1])


def test_jitter_changes_brightness_within_its_strength_and_stays_on_the_scale():
    images = torch.full((400, 3, 2, 2), 100.0)
    changed = jitter(images, 0.5, generator=torch.Generator().manual_seed(0))
    # A flat grey image has neither contrast nor saturation: only brightness shows.
    assert 50 <= float(changed.min()) < 55
    assert 145 < float(changed.max()) <= 150
    bright = jitter(torch.full((50, 1, 2, 2), 250.0), 0.9, generator=torch.Generator())
    assert float(bright.max()) <= 255


def test_jitter_of_no_strength_changes_nothing():
    images = torch.randint(0, 256, (4, 3, 5, 5)).float()
    torch.testing.assert_close(jitter(images, 0.0, generator=torch.Generator()), images)


def test_jitter_changes_contrast_and_saturation_of_each_image_on_its_own():
    image = torch.tensor([200.0, 100.0, 60.0]).view(1, 3, 1, 1).expand(50, 3, 4, 4).clone()
    changed = jitter(image, 0.4, generator=torch.Generator().manual_seed(0))
    spread = changed.amax((1, 2, 3)) - changed.amin((1, 2, 3))
    assert float(spread.std()) > 5


def test_erasing_sets_one_rectangle_to_zero_in_about_the_wanted_share_of_images():
    images = torch.ones(2000, 2, 16, 16)
    erased = erase(images, 0.4, generator=torch.Generator().manual_seed(0))
    hit = (erased == 0).flatten(1).any(1)
    assert 710 < int(hit.sum()) < 890  # four standard deviations about 800
    for image in erased[hit][:50]:
        rows, columns = (image[0] == 0).any(1), (image[0] == 0).any(0)
        # A rectangle is all of its rows crossed with all of its columns, in every channel.
        assert torch.equal(image == 0, (rows[:, None] & columns[None]).expand(2, 16, 16))
        assert 0 < int(rows.sum() * columns.sum()) / 256 < 0.45
    assert torch.equal(erase(images, 0.0, generator=torch.Generator()), images)
