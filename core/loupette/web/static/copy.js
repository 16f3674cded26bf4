// A button on each block of code that copies it; pages do without.
const label = document.documentElement.lang === "en" ? ["Copy", "Copied"] : ["复制", "已复制"];
if (navigator.clipboard) {
  for (const block of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = label[0];
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = label[1];
      setTimeout(() => { button.textContent = label[0]; }, 1500);
    });
    block.append(button);
  }
}
