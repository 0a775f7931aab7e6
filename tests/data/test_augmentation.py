import torch

from nas.data.augmentation import flip, shift


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
