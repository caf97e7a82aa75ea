/**
 * Lets a wallet in the browser (EIP-1193) fill in the forms of signing in. Without one, and without JavaScript, people type
 * and paste. Whatever the wallet answers is only ever a value of a field.
 */
export const walletScript = `
'use strict';
(() => {
  const wallet = window.ethereum;
  const form = document.querySelector('form[data-wallet], form[data-sign]');
  if (!wallet || !form) return;
  const typed = form.querySelector('[data-typed]');
  const field = form.querySelector('input[name=address], textarea[name=signature]');
  const said = form.querySelector('[data-said]');
  const button = form.querySelector('button');
  const isSign = form.hasAttribute('data-sign');
  const say = (text) => { said.textContent = text; said.hidden = text === ''; };
  const hex = (text) => '0x' + Array.from(new TextEncoder().encode(text), (it) => it.toString(16).padStart(2, '0')).join('');
  const ask = async () => {
    if (!isSign) return (await wallet.request({ method: 'eth_requestAccounts' }))[0];
    const message = hex(document.getElementById('message').textContent);
    return wallet.request({ method: 'personal_sign', params: [message, form.dataset.address] });
  };
  const run = async () => {
    button.disabled = true;
    say(isSign ? 'Your wallet asks you to sign.' : 'Your wallet asks which account to use.');
    try {
      const answer = await ask();
      if (typeof answer !== 'string') throw new Error('it answered nothing');
      field.value = answer;
      form.submit();
    } catch (error) {
      button.disabled = false;
      typed.hidden = false;
      field.value = '';
      const reason = String((error && error.message) || 'it gave no reason').replace(/\\.+$/, '');
      say('Your wallet said no: ' + reason + '. Try again, or do it by hand.');
    }
  };
  typed.hidden = true;
  field.required = false;
  form.addEventListener('submit', (event) => {
    if (!typed.hidden && field.value.trim() !== '') return;
    event.preventDefault();
    run();
  });
  if (isSign) run();
})();
`
