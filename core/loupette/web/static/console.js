// What htmx does not do: pictures dropped and pasted, boxes over a picture, errors of a part.
const files = (root) => root.querySelector("#image");

function take(input, file) {
  const held = new DataTransfer();
  held.items.add(file);
  input.files = held.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("change", (event) => {
  if (event.target.id !== "image") return;
  const preview = event.target.parentElement.querySelector(".preview");
  URL.revokeObjectURL(preview.src);
  const [file] = event.target.files;
  preview.hidden = !file;
  if (file) preview.src = URL.createObjectURL(file);
});

document.addEventListener("paste", (event) => {
  const input = files(document);
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (input && file) take(input, file);
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const area = event.target.closest?.(".drop");
    if (!area) return;
    event.preventDefault();
    area.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) {
      take(files(area), event.dataTransfer.files[0]);
    }
  });
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.(".use-sample");
  if (!link) return;
  event.preventDefault();
  const reply = await fetch(link.href);
  take(files(document), new File([await reply.blob()], link.dataset.name, { type: "image/png" }));
});

// The boxes are in the picture's own pixels, whose number is known once it is loaded.
function scale(root) {
  for (const drawing of root.querySelectorAll(".boxes")) {
    const picture = drawing.parentElement.querySelector("img");
    const fit = () => {
      drawing.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
      drawing.setAttribute("data-is-fit", "");
    };
    picture.complete && picture.naturalWidth ? fit() : picture.addEventListener("load", fit);
  }
}
scale(document);
document.addEventListener("htmx:load", (event) => scale(event.detail.elt.parentElement ?? document));

// A reply that is an error: its part of the page where it has that, else all of it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event;
  if (detail.xhr.status < 400 || detail.xhr.getResponseHeader("HX-Redirect")) return;
  detail.shouldSwap = true;
  detail.isError = false;
  if (detail.target.id !== "answer" || !detail.serverResponse.includes('id="answer"')) {
    detail.target = document.querySelector("#main");
    detail.selectOverride = "#main > *";
    detail.swapOverride = "innerHTML";
  }
});
