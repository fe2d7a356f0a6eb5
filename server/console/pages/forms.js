// The forms at a door: a talk with its answers, another result, a new person, a corrected address.

import { button, element } from './html.js';
import { RESULTS } from './list.js';
import { about, who } from './door.js';

/** A form's values stay over a reload until they are recorded; they go with the tab. */
function draft(app, name, initial) {
  const place = `${app.token} ${name}`;
  const kept = sessionStorage.getItem(place);
  const values = kept ? JSON.parse(kept) : initial;
  return {
    values,
    begun: () => place in sessionStorage,
    set(field, value) {
      values[field] = value;
      sessionStorage.setItem(place, JSON.stringify(values));
    },
    end: () => sessionStorage.removeItem(place),
  };
}

/** One person: the questions, or with `other` what else may have happened. */
export function person(app, stop, person, other) {
  const { result, name, key, state, voter_id } = person;
  const form = draft(app, key, { answers: result?.answers ?? {}, notes: result?.notes ?? '', never: Boolean(result?.do_not_contact) });
  const { values } = form;
  const here = `#stop-${stop.stop}`;
  const save = async (outcome, words = RESULTS[outcome], report) => {
    const part = { ...who(person), result: outcome };
    if (values.notes.trim()) part.notes = values.notes.trim();
    if (values.never) part.do_not_contact = true;
    if (outcome === 'canvassed' && Object.keys(values.answers).length) part.answers = values.answers;
    if (await app.record(stop, report ? [part, { state, voter_id, report }] : [part], `${name}: ${words.toLowerCase()}`, true)) leave(app, here, form);
  };
  const notes = field('Notes', 'textarea', 'notes', form);
  const rest = [
    other ? element('details', { open: Boolean(values.notes) }, element('summary', {}, 'Add a note'), notes) : notes,
    element('label', { class: 'check' },
      element('input', { type: 'checkbox', id: 'never', checked: values.never, onchange: ({ target }) => form.set('never', target.checked) }),
      'Do not come again'),
  ];
  const { canvassed, ...results } = RESULTS;
  const choices = Object.entries(results).map(([id, text]) => button(text, () => save(id), { id: `result-${id}` }));
  choices.splice(3, 0, button('Does not live here', () => save('moved', 'does not live here', 'not_here'), { id: 'result-not_here' }));
  const { introduction, questions } = app.list.script;
  return {
    title: name,
    over: stop.address,
    back: [here, 'Door'],
    form,
    key,
    main: [
      element('p', {}, about(person)),
      ...(other
        ? [rest, element('h2', {}, 'What happened?'), element('div', { class: 'grid' }, choices)]
        : [introduction && element('blockquote', {}, introduction), questions.map((question) => asked(question, form)), rest]),
    ],
    foot: other
      ? [button('Talked after all', () => app.go(`${here}/${key}`, true), { id: 'talked' })]
      : [button('Other', () => app.go(`${here}/${key}/other`, true), { id: 'other', 'aria-label': 'Another result' }),
         button('Save talk', () => save('canvassed'), { class: 'main', id: 'save' })],
  };
}

/** A question with its answers as buttons; a second tap takes an answer back. */
function asked({ id, text, answers }, form) {
  const buttons = answers.map((answer) => button(answer.text, () => {
    const { [id]: before, ...others } = form.values.answers;
    form.set('answers', before === answer.id ? others : { ...others, [id]: answer.id });
    mark();
  }, { id: `answer-${id}-${answer.id}`, class: 'answer' }));
  const mark = () => buttons.forEach((one, at) => one.setAttribute('aria-pressed', String(form.values.answers[id] === answers[at].id)));
  mark();
  return element('fieldset', {}, element('legend', {}, text), buttons);
}

/** Blanks alone are nothing. */
const NEEDED = { required: true, pattern: '.*\\S.*' };

function field(label, tag, name, form, properties) {
  const oninput = ({ target }) => form.set(name, target.value);
  return element('label', {}, label,
    element(tag, { id: `field-${name}`, maxlength: 1000, autocomplete: 'off', value: form.values[name] ?? '', rows: tag === 'textarea' && 2, oninput, ...properties }));
}

export function newcomer(app, stop) {
  const form = draft(app, `${stop.stop} new`, {});
  const fields = [field('Name', 'input', 'name', form, NEEDED), field('Notes', 'textarea', 'notes', form)];
  return report(app, stop, 'new_person', 'New person here', form, fields);
}

export function address(app, stop) {
  const form = draft(app, `${stop.stop} address`, { address: stop.address });
  const fields = [field('Address', 'input', 'address', form, NEEDED), field('Apartment or unit', 'input', 'unit', form)];
  return report(app, stop, 'address', 'Correct the address', form, fields);
}

function report(app, stop, kind, title, form, fields) {
  const here = `#stop-${stop.stop}`;
  const onsubmit = async (event) => {
    event.preventDefault();
    const filled = Object.entries(form.values).map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
    if (await app.record(stop, [{ report: kind, details: Object.fromEntries(filled) }], `${stop.address}: ${title.toLowerCase()}`, true)) leave(app, here, form);
  };
  return {
    title,
    over: stop.address,
    back: [here, 'Door'],
    form,
    main: [element('form', { id: 'report', onsubmit }, fields)],
    foot: [element('button', { class: 'main', form: 'report', id: 'save' }, 'Save')],
  };
}

function leave(app, to, form) {
  form.end();
  app.back(to);
}
