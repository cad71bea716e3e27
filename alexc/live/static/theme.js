// The switch between light and dark: it follows the system until the reader chooses.

const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => localStorage.getItem("alexc-theme");

export const theme = () => chosen() ?? (system.matches ? "dark" : "light");

// Sets `data-theme` of the page, makes `button` the switch, and calls `changed` after each change.
export function switchTheme(button, changed = () => {}) {
  const show = () => {
    document.documentElement.dataset.theme = theme();
    button.textContent = theme() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${theme() === "dark" ? "light" : "dark"} theme`);
  };
  const update = () => {
    show();
    changed(theme());
  };
  button.addEventListener("click", () => {
    localStorage.setItem("alexc-theme", theme() === "dark" ? "light" : "dark");
    update();
  });
  system.addEventListener("change", update);
  show();
}
