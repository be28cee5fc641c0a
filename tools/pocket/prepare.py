"""Turn npm emoji packages into one training file, `emoji.npz`.

The npz holds
  rgba      uint8 [N, 128, 128, 4]  the pictures with straight alpha
  records   a JSON string: one entry a picture (label, style, names, tags, colours, weight)

Packages (unpacked `npm pack` tarballs, each `<dir>/package/...`):
  @iconify-json/noto     Noto Emoji, Apache-2.0
  @iconify-json/twemoji  Twemoji graphics, CC BY 4.0
  emojibase-data         names and keywords, MIT
"""

import argparse
import collections
import io
import json
import re
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

from tools.pocket.concepts import ALIASES, POPULAR

SIZE = 128

# emojibase groups: 0 smileys, 1 people, 3 animals and nature, 4 food, 5 travel, 6 activities, 7 objects, 8 symbols
SKIP_SUBGROUPS = {
    "person-gesture",
    "person-activity",
    "person-sport",
    "family",
    "place-map",
    "zodiac",
    "av-symbol",
    "gender",
    "keycap",
    "alphanum",
    "currency",
    "transport-sign",
    "skin-tone",
    "hair-style",
    "flag",
    "country-flag",
    "subdivision-flag",
}
SKIP_LABELS = re.compile(
    r"o’clock|-thirty|^(man|woman) |^(man|woman): |quarter moon|gibbous|hammer and sickle|kaaba|middle finger|"
    r"Japanese “|^no |litter|cigarette|smoking|diamond$|-pointed star|Mx Claus|coffin|funeral|pager|fax|trackball|"
    r"bookmark tabs|card index|low battery|mobile phone off|vibration|antenna bars|eight-spoked|sparkle$|"
    r"double curly|part alternation|-letters|name badge|trident|beginner|mailbox with lowered|outbox|inbox|"
    r"incoming envelope|input|hand with index|^(left|right)wards|distorted face|fight cloud|orca$|landslide$|"
    r"hairy creature|trombone|rook|index pointing|palm (up|down)|locked with|clamp|nazar|hamsa|"
    r"oncoming (bus|police|taxi|automobile)|medium-small|medium square|large square|small square|^radio button$"
)
KEEP_EXTRA = {  # from subgroups that are skipped as a whole
    "person running",
    "person walking",
    "person surfing",
    "person swimming",
    "person biking",
    "ballet dancers",
    "woman dancing",
    "man dancing",
    "person dancing",
    "person shrugging",
    "person facepalming",
    "skier",
    "snowboarder",
    "globe showing Americas",
    "globe showing Europe-Africa",
    "world map",
    "compass",
    "pirate flag",
    "chequered flag",
    "rainbow flag",
    "white flag",
    "heavy dollar sign",
    "family",
    "play button",
    "man",
    "woman",
    "woman astronaut",
    "man astronaut",
    "woman firefighter",
    "man cook",
    "woman scientist",
    "man farmer",
    "woman teacher",
    "white medium star",
    "star",
    "diamond suit",
    "large orange diamond",
    "large blue diamond",
}
COLOURS = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (255, 205, 50),
    "green": (80, 165, 60),
    "blue": (50, 120, 220),
    "light blue": (120, 190, 245),
    "purple": (150, 80, 190),
    "pink": (245, 130, 175),
    "brown": (140, 85, 50),
    "black": (35, 35, 40),
    "white": (245, 245, 245),
    "gray": (135, 145, 155),
}


def render(icon_set, name):
    icons = icon_set["icons"]
    alias = icon_set.get("aliases", {}).get(name)
    icon = icons.get(name) or icons[alias["parent"]]
    width, height = icon.get("width", icon_set.get("width", 16)), icon.get("height", icon_set.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{SIZE}" height="{SIZE}">{icon["body"]}</svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA").resize((SIZE, SIZE)))


def dominant_colour(rgba):
    """The one colour name that covers most of the picture, or None when none stands out."""
    pixels = rgba[rgba[..., 3] > 200][:, :3].astype(np.float32)
    if len(pixels) < 200:
        return None
    names = list(COLOURS)
    table = np.array([COLOURS[n] for n in names], np.float32)
    nearest = ((pixels[:, None] - table[None]) ** 2).sum(-1).argmin(1)
    counts = np.bincount(nearest, minlength=len(names))
    best = counts.argmax()
    return names[best].replace("light ", "") if counts[best] > 0.55 * len(pixels) else None


def clean(text):
    return re.sub(r"\s+", " ", text.lower().replace("’", "'").replace("“", "").replace("”", "")).strip()


def choose(emoji, subgroups):
    chosen = []
    for entry in emoji:
        label, group = entry["label"], entry.get("group")
        subgroup = subgroups.get(str(entry.get("subgroup")), "")
        keep = group in (0, 1, 3, 4, 5, 6, 7, 8) and subgroup not in SKIP_SUBGROUPS and not SKIP_LABELS.search(label)
        if group == 8 and subgroup == "arrow":
            keep = label in ("up arrow", "right arrow", "down arrow", "left arrow")
        if keep or label in KEEP_EXTRA:
            chosen.append((entry, subgroup))
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noto", type=Path, required=True, help="unpacked @iconify-json/noto")
    parser.add_argument("--twemoji", type=Path, required=True, help="unpacked @iconify-json/twemoji")
    parser.add_argument("--emojibase", type=Path, required=True, help="unpacked emojibase-data")
    parser.add_argument("--out", type=Path, default=Path("emoji.npz"))
    args = parser.parse_args()

    def load(path):
        return json.loads(path.read_text(encoding="utf-8"))

    emoji = load(args.emojibase / "package/en/data.json")
    subgroups = load(args.emojibase / "package/meta/groups.json")["subgroups"]
    styles = {}
    for style, root in (("noto", args.noto), ("twemoji", args.twemoji)):
        styles[style] = (load(root / "package/icons.json"), load(root / "package/chars.json"))

    chosen = choose(emoji, subgroups)
    popular = {" ".join(name.split()) for name in POPULAR.split(";")}
    tag_count = collections.Counter(clean(t) for entry, _ in chosen for t in entry.get("tags", []))
    labels = {clean(entry["label"]) for entry, _ in chosen}
    pictures, records = [], []
    for entry, subgroup in chosen:
        label = clean(entry["label"])
        names = [clean(n) for n in ALIASES.get(entry["label"], [])]
        # a keyword that only this concept (or one more) carries is as good as a name
        tags = [clean(t) for t in entry.get("tags", [])]
        names += [t for t in tags if tag_count[t] == 1 and t not in labels and t not in names and t.isascii() and len(t) > 2][:4]
        tags = [t for t in tags if t not in names and t.isascii() and len(t) > 2 and t not in label.split()][:8]
        code = entry["hexcode"].lower()
        for style, (icon_set, chars) in styles.items():
            name = chars.get(code) or chars.get(code.replace("-fe0f", ""))
            if not name:
                continue
            rgba = render(icon_set, name)
            pictures.append(rgba)
            records.append(
                {
                    "label": label,
                    "style": style,
                    "names": names,
                    "tags": tags,
                    "subgroup": subgroup,
                    "colour": dominant_colour(rgba),
                    "weight": 2.5 if entry["label"] in popular else 1.0,
                }
            )
    np.savez_compressed(args.out, rgba=np.stack(pictures), records=np.array(json.dumps(records)))
    print(f"{len(chosen)} concepts, {len(pictures)} pictures, {args.out.stat().st_size / 2**20:.1f} MiB")
    missing = popular - {entry["label"] for entry, _ in chosen}
    if missing:
        print("popular names that match nothing:", sorted(missing))


if __name__ == "__main__":
    main()
