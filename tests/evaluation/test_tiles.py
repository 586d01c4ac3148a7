"""Tiles cover an image once, and their scores become the image's."""

import pytest
import torch
from evaluation_folders import Called

from ir_quality_plugin.evaluation.tiles import score_by_tiles, tiles_of


@pytest.mark.parametrize(("height", "width"), [(300, 700), (1024, 64), (257, 257), (301, 999)])
@pytest.mark.parametrize("tile_px", [64, 256])
def test_every_pixel_is_in_one_tile_and_no_tile_is_much_larger_than_asked(height, width, tile_px):
    times = torch.zeros(1, 1, height, width)
    for tile in tiles_of(height, width, tile_px):
        tile.of(times).add_(1)
        assert max(tile.height, tile.width) <= tile_px or height * width <= tile_px**2
    assert (times == 1).all()


def test_small_images_and_no_tile_size_stay_whole():
    assert len(tiles_of(256, 256, 256)) == len(tiles_of(5000, 5000, 0)) == 1


def test_edges_fall_on_the_degraded_images_pixels():
    for tile in tiles_of(4 * 301, 4 * 173, 256, factor=4):
        assert all(side % 4 == 0 for side in tile)


def test_a_mean_over_pixels_is_that_of_the_whole_image():
    image = torch.rand(1, 3, 300, 501, generator=torch.Generator().manual_seed(0))
    mean = Called(lambda restored, guide: restored.mean().item())
    assert score_by_tiles(mean, image, None, tiles_of(300, 501, 128)) == pytest.approx(image.mean().item())


def test_psnr_by_tiles_is_that_of_the_whole_image():
    draw = torch.Generator().manual_seed(1)
    clean = torch.rand(1, 3, 301, 300, generator=draw)
    image = clean + torch.linspace(0, 0.2, 300) * torch.rand(1, 3, 301, 300, generator=draw)

    def psnr(restored, guide):
        return -10 * (restored - guide).square().mean().log10().item()

    def by_tiles(**combined):
        metric = Called(psnr, "reference", aligned=True, **combined)
        return score_by_tiles(metric, image, clean, tiles_of(301, 300, 128))

    assert by_tiles(combine="squared error") == pytest.approx(psnr(image, clean))
    assert by_tiles() != pytest.approx(psnr(image, clean))


@pytest.mark.parametrize("factor", [1, 4])
def test_a_tile_is_judged_against_the_same_place_of_the_degraded_image(factor):
    small = torch.rand(1, 3, 100, 150, generator=torch.Generator().manual_seed(2))
    image = small.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    def call(restored, guide):
        assert torch.equal(restored, guide.repeat_interleave(factor, 2).repeat_interleave(factor, 3))
        return 1.0

    tiles = tiles_of(*image.shape[-2:], 64, factor)
    assert len(tiles) > 1
    assert score_by_tiles(Called(call, "degraded"), image, small, tiles) == pytest.approx(1.0)


@pytest.mark.parametrize(("aligned", "seen"), [(True, (1, 3, 150, 150)), (False, (1, 3, 300, 300))])
def test_any_clean_image_is_seen_whole_although_its_size_would_do_for_a_cut(aligned, seen):
    shapes = set()
    guided = Called(lambda restored, guide: shapes.add(tuple(guide.shape)) or 0.5, "reference", aligned=aligned)
    score_by_tiles(guided, torch.rand(1, 3, 300, 300), torch.rand(1, 3, 300, 300), tiles_of(300, 300, 150))
    assert shapes == {seen}


def test_a_guide_of_another_size_is_seen_whole_by_every_tile():
    guide = torch.rand(1, 3, 77, 91)

    def call(restored, seen):
        assert seen is guide
        return 0.5

    assert score_by_tiles(Called(call, "degraded"), torch.rand(1, 3, 300, 300), guide, tiles_of(300, 300, 128)) == 0.5
