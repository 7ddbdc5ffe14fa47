// Arrow keys in lists of buttons.

/** Arrow keys move from button to button, by rows as they are laid out. */
export function moveFocus(event) {
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  let next = step ? buttons[at + step] : null;
  if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const here = buttons[at]?.getBoundingClientRect();
    const down = event.key === "ArrowDown";
    const beyond = buttons.filter((button) => {
      const box = button.getBoundingClientRect();
      return (
        here && Math.abs(box.left - here.left) < here.width / 2 && (down ? box.top > here.top : box.top < here.top)
      );
    });
    next = down ? beyond[0] : beyond.at(-1);
  }
  if (!next) return;
  event.preventDefault();
  next.focus();
}
