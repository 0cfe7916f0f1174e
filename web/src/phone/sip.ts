// The parts of JsSIP that are used, and the types of those that it keeps to itself. Importing the
// parts instead of the whole leaves out what a called phone does not need.

import UaOfJssip from "jssip/lib/UA.js";
import SocketOfJssip from "jssip/lib/WebSocketInterface.js";
import DialogOfJssip from "jssip/lib/Dialog.js";
import UriOfJssip from "jssip/lib/URI.js";
import type { UA } from "jssip/lib/UA";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { WebSocketInterface } from "jssip/lib/WebSocketInterface";
import type { UAConfiguration } from "jssip/lib/UA";

export type { RTCSession };

export interface SipMessage {
  readonly method: string;
  readonly body: string;
  reply(code: number, reason?: string | null, headers?: string[], body?: string): void;
}

export interface Handlers {
  onSuccessResponse?: (response: SipMessage) => void;
  onErrorResponse?: (response: SipMessage) => void;
  onDialogError?: () => void;
  onRequestTimeout?: () => void;
  onTransportError?: () => void;
}

/** What RFC 3261, 12 calls the state of a dialog, as JsSIP keeps it. */
export interface Dialog {
  _owner: DialogOwner;
  _ua: UserAgent;
  _id: { call_id: string; local_tag: string; remote_tag: string; toString(): string };
  _state: number;
  _local_seqnum: number | null;
  _remote_seqnum: number | null;
  _incoming_ack_seqnum: number | null;
  _outgoing_ack_seqnum: number | null;
  _local_uri: { toString(): string };
  _remote_uri: { toString(): string };
  _remote_target: { toString(): string };
  _route_set: string[];
  _uac_pending_reply: boolean;
  _uas_pending_reply: boolean;
  sendRequest(method: string, options?: { extraHeaders?: string[]; body?: string; eventHandlers?: Handlers }): unknown;
  terminate(): void;
}

export interface DialogOwner {
  receiveRequest(request: SipMessage): void;
}

export interface UserAgent extends UA {
  newDialog(dialog: Dialog): void;
  readonly contact: { toString(): string };
}

export const UserAgent = UaOfJssip as unknown as new (configuration: UAConfiguration) => UserAgent;
export const Socket = SocketOfJssip as unknown as new (url: string) => WebSocketInterface;
export const DialogPrototype = (DialogOfJssip as { prototype: object }).prototype;

interface Uri {
  toString(): string;
}

/** "sip:asterisk@192.0.2.1:5060;transport=ws" to what JsSIP sends requests to. */
export function parseUri(text: string): Uri {
  return (UriOfJssip as unknown as { parse(text: string): Uri }).parse(text.replace(/^<|>$/g, ""));
}
