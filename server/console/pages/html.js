// Elements, figures and requests: what the phone's and the organizer's page share.

/** An element. Properties that begin with "on" are listeners, the others attributes; absent ones are left out. */
export function element(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function fill(made, properties = {}, children = []) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'value') made.value = value;
    else if (value || value === 0 || value === '') made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat(3).filter((child) => child || child === 0));
  return made;
}

export const button = (text, onclick, properties = {}) => element('button', { type: 'button', onclick, ...properties }, text);

/** "1 door", "2 doors". */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

/** Feet and miles where the phone speaks the language of the United States, metres elsewhere. */
export function distance(metres) {
  const [small, step, large, many] = /-US$/.test(navigator.language) ? ['ft', 3.28084, 'mi', 5280] : ['m', 1, 'km', 1000];
  const far = metres * step;
  return far < 950 ? `${Math.round(far / 10) * 10} ${small}` : `${(far / many).toFixed(1)} ${large}`;
}

export function minutes(number) {
  const [hours, rest] = [Math.floor(Math.round(number) / 60), Math.round(number) % 60];
  return [hours && `${hours} h`, (hours < 10 && rest) || !hours ? `${rest} min` : ''].filter(Boolean).join(' ');
}

export const clock = (at) => new Date(at).toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });

/** Longitude and latitude as metres east and south of an origin; good enough for a town. */
export function projection([longitude, latitude]) {
  const east = 111320 * Math.cos((latitude * Math.PI) / 180);
  return ([x, y]) => [(x - longitude) * east, (latitude - y) * 110540];
}

/** What a problem+json answer gives as its reason. */
export async function detail(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail || problem.title || `The server answered ${answer.status}.`;
}

export const json = (body) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** A question in a dialog, with a field where `field` is given. Resolves to what was entered or "yes", or to "". */
export function ask(title, text, yes, field) {
  return new Promise((resolve) => {
    const onsubmit = (event) => {
      event.preventDefault();
      dialog.close(field ? field.value.trim() : 'yes');
    };
    const dialog = element('dialog', { 'aria-labelledby': 'ask' },
      element('form', { onsubmit },
        element('h2', { id: 'ask' }, title), element('p', {}, text), field,
        element('div', { class: 'buttons' }, button('Cancel', () => dialog.close('')), element('button', { class: 'main' }, yes))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
