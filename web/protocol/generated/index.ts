// Generated from signaling/protocol. Do not edit.
export * from "./client";
export * from "./constants";
export * from "./model";
export * from "./server";
export * from "./view";
