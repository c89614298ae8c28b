"""How large uploads may be."""

from jikko.inputs.uploads import FileLimits


def test_how_large_an_upload_may_be_depends_on_its_kind() -> None:
    limits = FileLimits(max_image=1, max_video=2, max_audio=3, max_other=4)

    assert [limits.for_upload(extension) for extension in ("png", "mp4", "mp3", "pdf", "exe", "")] == [1, 2, 3, 4, 4, 4]
