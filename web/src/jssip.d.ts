declare module "jssip/lib/Dialog.js"; // JsSIP keeps its dialogs to itself; src/phone/sip.ts types them
