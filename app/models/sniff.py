"""What a file that should be a model really is, told from its first bytes."""

HEAD_BYTES = 512
"""How many bytes from a file's start are enough to tell."""

_WEB_PAGE = "a web page, most likely a log-in or error page that was saved in the place of the download. Download the model again."
_PACKED = "packed. Unpack it first."
_PICTURE = "a picture."
_TORCH = "a PyTorch file. Rename it to .ckpt, or better convert it to safetensors with a tool you trust."
_UNZIPPED = "a zip archive: a PyTorch file (rename it to .ckpt) or a packed download (unpack it)."

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", _UNZIPPED),
    (b"PK\x05\x06", _UNZIPPED),
    (b"\x80\x02", _TORCH),
    (b"GGUF", "a GGUF file. Darkroom does not load that format."),
    (b"version https://git-lfs", "a Git LFS pointer and not the model itself. Run `git lfs pull` where it came from."),
    (b"\x1f\x8b", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", _PACKED),
    (b"Rar!", _PACKED),
    (b"\xfd7zXZ\x00", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"\x89HDF", "an HDF5 (Keras) file. Darkroom does not load that format."),
    (b"\x08\x00\x00\x00ONNX", "an ONNX file. Darkroom does not load that format."),
    (b"\x7fELF", "a program."),
    (b"MZ", "a program."),
)


def what_it_is(head: bytes) -> str | None:
    """What a file with this beginning is, as the end of a sentence that begins with "it is"; None if it is nothing known."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        return _WEB_PAGE
    if looks_like_safetensors(head):
        return "a safetensors file. Rename it to .safetensors."
    if head and not head.strip(b"\x00"):
        return "empty but for zeros, as downloads are that stopped. Download it again."
    if _is_text(head):
        return "a text file."
    return None


def looks_like_safetensors(head: bytes) -> bool:
    """Whether the bytes begin with a header length (in text, its upper bytes would not be zero) and a JSON object."""
    return head[8:9] == b"{" and head[6:8] == b"\x00\x00"


def _is_text(head: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\r\n" for byte in head)
    return bool(head) and b"\x00" not in head and printable == len(head)
