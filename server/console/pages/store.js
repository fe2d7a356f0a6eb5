// What the phone keeps in IndexedDB: the list of doors, and every entry that was recorded.

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('bellwether-walk', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('lists', { keyPath: 'token' });
      request.result.createObjectStore('entries', { keyPath: 'id' }).createIndex('token', 'token');
    };
    request.onsuccess = () => {
      // A browser may close the database under memory pressure; the next call opens it again.
      request.result.onclose = () => (opened = null);
      resolve(request.result);
    };
    request.onerror = () => {
      opened = null;
      reject(request.error);
    };
  });
  return opened;
}

/** Runs `work` in one transaction. Resolves to its result when the disk has it, not before. */
async function within(stores, mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, mode, { durability: 'strict' });
    const request = work(...stores.map((name) => transaction.objectStore(name)));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const kept = (token) => within(['lists'], 'readonly', (lists) => lists.get(token));

/** Changes some fields of what is kept of a list; another tab may change others at the same time. */
export const keep = (token, fields) =>
  within(['lists'], 'readwrite', (lists) => {
    lists.get(token).onsuccess = ({ target }) => lists.put({ ...target.result, ...fields, token });
  });

export const entries = (token) => within(['entries'], 'readonly', (store) => store.index('token').getAll(token));

export const add = (made) => within(['entries'], 'readwrite', (store) => made.forEach((one) => store.add(one)));

/** Hands each stored entry to `change`, which answers the entry as it is to be, null to delete it, or nothing. */
export const change = (ids, change) =>
  within(['entries'], 'readwrite', (store) => {
    for (const id of ids) {
      store.get(id).onsuccess = ({ target }) => {
        const next = target.result && change(target.result);
        if (next) store.put(next);
        else if (next === null) store.delete(id);
      };
    }
  });

/** Deletes the list, and its entries unless they are still needed. */
export const forget = (token, entriesToo) =>
  within(['lists', 'entries'], 'readwrite', (lists, store) => {
    lists.delete(token);
    if (entriesToo) store.index('token').getAllKeys(token).onsuccess = ({ target }) => target.result.forEach((id) => store.delete(id));
  });
