import { type Decoded, decoded, refused } from '../../net/bytes.js';
import {
  type Attributes,
  attribute,
  concat,
  decodeAttributes,
  messageFlag,
  type NetlinkRequest,
  text,
  uint16,
} from './netlink-message.js';

// Generic netlink (linux/genetlink.h): families by name, whose numbers the kernel gives out as they come.

/** A family as it is spoken to: the number that it has in this kernel, and the version of its protocol. */
export interface GenericFamily {
  readonly id: number;
  readonly version: number;
}

/** struct genlmsghdr: command, version, reserved. */
const headerLength = 4;
/** GENL_ID_CTRL, the family that knows the others. */
const controller: GenericFamily = { id: 16, version: 1 };
const controlCommand = { getFamily: 3 } as const;
const controlAttribute = { familyId: 1, familyName: 2 } as const;

export function genericRequest(
  family: GenericFamily,
  command: number,
  flags: number,
  ...attributes: readonly Uint8Array[]
): NetlinkRequest {
  const header = Uint8Array.of(command, family.version, 0, 0);
  return { type: family.id, flags, payload: concat(header, ...attributes) };
}

/** CTRL_CMD_GETFAMILY. For a name that it does not know the kernel looks for a module; `ENOENT` when there is none. */
export function encodeFindFamily(name: string): NetlinkRequest {
  return genericRequest(
    controller,
    controlCommand.getFamily,
    messageFlag.ack,
    attribute(controlAttribute.familyName, text(name)),
  );
}

/** The family's number in the kernel's answer. */
export function decodeFamilyId(payload: Uint8Array): Decoded<number, 'family-message'> {
  const id = uint16(decodeGeneric(payload)?.get(controlAttribute.familyId));
  return id === undefined ? refused('family-message') : decoded(id);
}

/** The attributes after the header; undefined when they cannot be read. */
export function decodeGeneric(payload: Uint8Array): Attributes | undefined {
  if (payload.length < headerLength) return undefined;
  const attributes = decodeAttributes(payload.subarray(headerLength));
  return attributes.ok ? attributes.value : undefined;
}
