"""What the options make of a finished picture: names, folders, grids, texts and copies beside it, the JSON chunk."""

import io
from pathlib import Path

import pytest
from PIL import Image

from app.jobs import Jobs, OptionsStore
from app.jobs.files import FileName, Outputs
from app.jobs.grids import grid_rows
from app.metadata import params_of_chunk, read_picture
from app.schema.disk import DiskFull
from app.schema.errors import InvalidParams
from app.schema.params import make_params


def small(**values):
    return make_params(**({"prompt": "a red house", "steps": 3, "width": 16, "height": 8, "seed": 100} | values))


def made(jobs: Jobs, **values):
    view = jobs.wait(jobs.submit(small(**values), client="me"), 10)
    assert view.state == "done", view.error
    return view


def saved(jobs: Jobs) -> list[str]:
    return sorted(path.relative_to(jobs.outputs.root).as_posix() for path in jobs.outputs.root.rglob("*") if path.is_file())


def test_names_and_folders_follow_the_options(jobs, options):
    options.set_many({"samples_filename_pattern": "[seed]-[prompt_words]", "directories_filename_pattern": "[model_name]/[steps]"})
    made(jobs)
    assert saved(jobs) == ["txt2img-images/pocket/3/00000-100-a red house.png"]
    options.set_many({"save_to_dirs": False, "samples_filename_pattern": ""})
    made(jobs)
    assert "txt2img-images/00000-100-a red house.png" in saved(jobs)


def test_a_number_alone(jobs, options):
    options.set_many({"samples_filename_pattern": "[none]", "save_to_dirs": False})
    made(jobs, n_iter=2)
    assert saved(jobs)[1:] == ["txt2img-images/00000.png", "txt2img-images/00001.png"]


@pytest.mark.parametrize(("action", "names"), [("Replace", ["100.png"]), ("Add number suffix", ["100-1.png", "100-2.png", "100.png"])])
def test_files_without_a_number(jobs, options, action, names):
    options.set_many({"save_images_add_number": False, "save_images_replace_action": action, "save_to_dirs": False})
    options.set_many({"samples_filename_pattern": "[seed]"})
    for _ in range(3):
        made(jobs)
    assert saved(jobs) == [f"txt2img-images/{name}" for name in names]


def test_a_prompt_cannot_leave_the_folder(jobs, options):
    options.set_many({"samples_filename_pattern": "[prompt_spaces]", "directories_filename_pattern": "[prompt_spaces]"})
    made(jobs, prompt="../../../etc/passwd")
    made(jobs, prompt="..")
    made(jobs, prompt="CON")
    assert saved(jobs) == [
        "txt2img-images/00000.png",
        "txt2img-images/CON_/00000-CON_.png",
        "txt2img-images/_.._.._etc_passwd/00000-_.._.._etc_passwd.png",
    ]
    assert {path.name for path in jobs.outputs.root.parent.iterdir()} >= {"outputs"} and not (jobs.outputs.root / "etc").exists()


def test_folders_of_pictures_and_grids_are_below_the_outputs(jobs, options):
    options.set_many({"save_to_dirs": False, "grid_save_to_dirs": False, "outdir_txt2img_samples": "outputs/mine/of txt2img"})
    assert made(jobs).pictures[0].path == "mine/of txt2img/00000-100-a red house.png"
    options.set_many({"outdir_samples": "outputs/all", "outdir_grids": "outputs/all/grids"})
    view = made(jobs, n_iter=2)
    assert view.pictures[0].path == "all/00000-100-a red house.png" and view.grid.path == "all/grids/grid-0000.png"
    options.set_many({"outdir_samples": "", "outdir_txt2img_samples": "outputs/txt2img-images"})
    assert made(jobs).pictures[0].path.startswith("txt2img-images/")
    for folder in ("/etc", "outputs/../..", "outputs/.hidden", "outputs", "outputs//a", "outputs/a\\b", "C:/x", "mine"):
        with pytest.raises(InvalidParams, match="like outputs/mine"):
            options.set_many({"outdir_samples": folder})


def test_a_grid_of_several_pictures(jobs, options):
    view = made(jobs, n_iter=3)
    assert view.grid is not None and view.grid.path.startswith("txt2img-grids/") and view.grid.path.endswith("/grid-0000.png")
    grid = Image.open(io.BytesIO(jobs.picture_bytes(view.grid.id)))
    assert grid.size == (32, 16) == (view.grid.width, view.grid.height)
    assert [grid.getpixel(at) for at in ((0, 0), (16, 0), (0, 8), (16, 8))] == [(100,) * 3, (101,) * 3, (102,) * 3, (255,) * 3]
    assert read_picture(jobs.picture_bytes(view.grid.id)).text == view.pictures[0].infotext == view.grid.infotext
    assert len(view.pictures) == 3 and jobs.get(view.id).grid == view.grid
    assert made(jobs).grid is None


def test_grids_follow_the_options(jobs, options):
    options.set_many({"grid_format": "webp", "grid_extended_filename": True, "n_rows": 3, "grid_save_to_dirs": False})
    view = made(jobs, n_iter=3)
    assert view.grid.path == "txt2img-grids/grid-0000-100-a red house.webp" and (view.grid.width, view.grid.height) == (16, 24)
    options.set_many({"grid_save": False})
    view = made(jobs, n_iter=3)
    assert view.grid.path is None and jobs.picture_bytes(view.grid.id)
    options.set_many({"return_grid": False})
    assert made(jobs, n_iter=3).grid is None
    options.set_many({"grid_save": True, "grid_only_if_multiple": False, "grid_extended_filename": False})
    assert made(jobs).grid is None and "txt2img-grids/grid-0001.webp" in saved(jobs), "saved, but not shown"
    options.set_many({"return_grid": True, "img_max_size_mp": 0})
    assert made(jobs, n_iter=3).grid is None


@pytest.mark.parametrize(
    ("count", "batch_size", "wanted", "no_gaps", "rows"),
    [
        (2, 2, -1, False, 1),
        (3, 3, -1, False, 2),
        (4, 2, -1, False, 2),
        (6, 1, -1, True, 2),
        (7, 1, -1, True, 1),
        (9, 1, -1, True, 3),
        (6, 3, 0, False, 3),
        (6, 1, 4, False, 4),
        (2, 1, 5, False, 2),
        (1, 1, -1, False, 1),
    ],
)
def test_rows_of_a_grid(count, batch_size, wanted, no_gaps, rows):
    assert grid_rows(count, batch_size, wanted, no_gaps=no_gaps) == rows


def test_a_job_that_is_not_saved_has_no_grid(jobs):
    view = jobs.wait(jobs.submit(small(n_iter=2), client="me", save=False), 10)
    assert view.grid is None and saved(jobs) == []


def test_the_settings_beside_the_picture(jobs, options):
    options.set_many({"save_txt": True, "enable_pnginfo": False})
    picture = made(jobs, prompt="ein Haus, 赤い家").pictures[0]
    file = jobs.outputs.path(picture.path)
    assert file.with_suffix(".txt").read_text("utf-8") == f"{picture.infotext}\n"
    record = read_picture(file.read_bytes())
    assert (record.text, record.items) == ("", {})


def test_params_txt_holds_the_newest_job(jobs, settings):
    made(jobs, n_iter=2)
    view = made(jobs, prompt="newest", n_iter=2)
    assert (settings.data_dir / "params.txt").read_text("utf-8") == view.pictures[0].infotext


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_a_smaller_copy_of_a_large_picture(jobs, options, kind):
    options.set_many({"samples_format": kind, "target_side_length": 32, "img_downscale_threshold": 4})
    picture = made(jobs, width=64, height=16).pictures[0]
    file = jobs.outputs.path(picture.path)
    copy = file.with_name(f"{file.stem}{'-small' if kind == 'jpg' else ''}.jpg")
    record = read_picture(copy)
    assert (record.format, record.width, record.height, record.text) == ("JPEG", 32, 8, picture.infotext)
    options.set_many({"export_for_4chan": False})
    before = len(saved(jobs))
    made(jobs, width=64, height=16)
    assert len(saved(jobs)) == before + 1


def test_a_file_over_the_limit_is_squeezed(tmp_path: Path):
    from app.jobs.copies import smaller_copy

    options = OptionsStore(tmp_path / "config.json")
    options.set_many({"img_downscale_threshold": 0.02, "jpeg_quality": 95})
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    copy = smaller_copy(noise, "", 300_000, options.view())
    assert copy is not None and len(copy) <= 0.02 * 1024**2 and Image.open(io.BytesIO(copy)).size == (200, 200)
    assert smaller_copy(noise, "", 10_000, options.view()) is None


def test_the_chunk_with_all_settings_makes_one_picture_alone(jobs, options):
    asked = {"batch_size": 2, "n_iter": 2, "subseed": 7, "uni_pc_order": 2, "comma_padding_backtrack": 0}
    view = made(jobs, **asked)
    record = read_picture(jobs.picture_bytes(view.pictures[3].id))
    params = params_of_chunk(record.items["darkroom"])
    kept = view.params.model_dump() | {"batch_size": 1, "n_iter": 1, "seed": 103, "subseed": 10}
    assert params is not None and params.model_dump() == kept and record.text == view.pictures[3].infotext
    options.set_many({"darkroom_params_chunk": False})
    assert read_picture(jobs.picture_bytes(made(jobs).pictures[0].id)).items == {}


def test_the_chunk_names_no_start_picture(jobs):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 8), "red").save(buffer, "PNG")
    start, mask = jobs.inputs.add(buffer.getvalue()), jobs.inputs.add_mask(buffer.getvalue())
    names = {"init_images": [start], "mask": mask, "latent_mask": mask, "colour_source": start}
    view = made(jobs, mode="img2img", denoising_strength=0.3, mask_blur_x=9, **names)
    text = read_picture(jobs.picture_bytes(view.pictures[0].id)).items["darkroom"]
    assert not [name for name in (start, mask) if name in text]
    params = params_of_chunk(text)
    assert params is not None and (params.mode, params.denoising_strength, params.mask_blur_x) == ("img2img", 0.3, 9)
    assert params.colour_source == params.latent_mask == "", "a job made of it seeks no picture that is not there"
    older = text.replace("0" * 64, "a" * 64)  # files of earlier days
    assert older != text and params_of_chunk(older) == params


MASKED = {"mode": "img2img", "save_mask": True, "save_mask_composite": True}


def masked(jobs: Jobs, **values):
    """A job with a mask."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), "white").save(buffer, "PNG")
    return made(jobs, init_images=[jobs.inputs.add(buffer.getvalue())], mask=jobs.inputs.add_mask(buffer.getvalue()), **MASKED | values)


def test_masks_are_saved_behind_their_picture_and_shown_only_if_asked_for(jobs, options):
    options.set_many({"save_to_dirs": False, "samples_filename_pattern": "[seed]", "grid_save": False})
    view = masked(jobs, n_iter=2)
    names = ["00000-100", "00001-100-mask", "00002-100-mask-composite", "00003-101", "00004-101-mask", "00005-101-mask-composite"]
    assert saved(jobs) == [f"img2img-images/{name}.png" for name in names] and view.beside == ()
    folder = jobs.outputs.root / "img2img-images"
    record = read_picture((folder / "00005-101-mask-composite.png").read_bytes())
    assert record.text == view.pictures[1].infotext, "it says what it belongs to"
    assert [Image.open(io.BytesIO((folder / f"{names[place]}.png").read_bytes())).mode for place in (1, 2)] == ["RGB", "RGBA"]


def test_masks_that_are_shown_and_saved_are_one_file_each(jobs, options):
    options.set_many({"save_to_dirs": False, "samples_filename_pattern": "[seed]", "samples_format": "jpg"})
    view = masked(jobs, return_mask_composite=True, save_mask_composite=True, save_mask=False)
    assert [(one.beside, one.path, one.infotext) for one in view.beside] == [(0, "img2img-images/00001-100-mask-composite.jpg", "")]
    assert Image.open(io.BytesIO(jobs.picture_bytes(view.beside[0].id))).format == "JPEG"
    shown = masked(jobs, return_mask=True, **dict.fromkeys(("save_mask", "save_mask_composite"), False)).beside
    assert [(one.path, one.format) for one in shown] == [(None, "png")] and read_picture(jobs.picture_bytes(shown[0].id)).text == ""


def test_masks_of_pictures_that_are_not_saved_are_not_saved(jobs):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), "white").save(buffer, "PNG")
    params = small(init_images=[jobs.inputs.add(buffer.getvalue())], mask=jobs.inputs.add_mask(buffer.getvalue()), **MASKED)
    view = jobs.wait(jobs.submit(params, client="me", save=False), 10)
    assert view.state == "done" and view.beside == () and saved(jobs) == []


def test_a_mask_that_the_disk_refuses_is_shown_and_told(jobs, monkeypatch):
    save_in = Outputs.save_in

    def refuse(self, folder, name, *rest):
        if name.stem.endswith("-mask"):
            raise DiskFull("The disk is full: the picture could not be saved.")
        return save_in(self, folder, name, *rest)

    monkeypatch.setattr(Outputs, "save_in", refuse)
    buffer = io.BytesIO()
    Image.new("RGB", (16, 8), "white").save(buffer, "PNG")
    start, mask = jobs.inputs.add(buffer.getvalue()), jobs.inputs.add_mask(buffer.getvalue())
    view = jobs.wait(jobs.submit(small(init_images=[start], mask=mask, **MASKED), client="me"), 10)
    assert view.state == "failed" and "The disk is full" in view.error.message
    assert len(view.pictures) == 1 and [one.path for one in view.beside] == [None]
    assert jobs.picture_bytes(view.beside[0].id), "nothing is lost"


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"version": 2, "params": {}}', '{"version": 1, "params": {"steps": 0}, "seed": 1, "index": 0}', "[" * 10**5],
)
def test_a_chunk_of_something_else_says_nothing(text):
    assert params_of_chunk(text) is None


def test_what_a_crash_left_is_removed_at_any_depth(tmp_path):
    outputs = Outputs(tmp_path)
    folder = tmp_path / "txt2img-images" / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "img2img-grids").mkdir()
    left = [folder / ".00007.tmp", tmp_path / "img2img-grids" / ".grid-0001.tmp", folder / f".{'0' * 32}.tmp"]
    mine = [folder / ".notes.tmp", folder / "00007-1.png"]
    for file in (*left, *mine):
        file.write_bytes(b"x")
    assert outputs.clean() == 3 and [file.exists() for file in mine] == [True, True]
    assert outputs.save_in(folder, FileName(stem="5"), b"y").name == "00008-5.png"


def test_what_the_hires_fix_begins_with_is_a_file_and_none_of_the_jobs_pictures(jobs, options, engine):
    view = made(jobs, enable_hr=True, save_images_before_highres_fix=True, n_iter=2)
    assert [picture.number for picture in view.pictures] == [0, 1]
    names = [name.rpartition("/")[2] for name in saved(jobs) if name.startswith("txt2img-images/")]
    assert names == ["00000-100-before-highres-fix.png", "00001-100.png", "00002-101-before-highres-fix.png", "00003-101.png"]
    before, after = (read_picture(jobs.outputs.root / name) for name in saved(jobs) if "-100" in name)
    assert "Hires" not in before.text and "Hires upscale" in after.text
    made(jobs, enable_hr=True)
    options.set_many({"samples_save": False})
    made(jobs, enable_hr=True, save_images_before_highres_fix=True)
    assert not engine.jobs[-1].params.save_images_before_highres_fix, "it need not be decoded"
    assert sum("before" in name for name in saved(jobs)) == 2
