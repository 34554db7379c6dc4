// Package codec proves the codec between AWS's JSON and our messages with the real SDK. It starts the program around the
// codec and compares, by reflection, what the SDK was given with what arrived, and what was answered with what the SDK
// read. It knows nothing of our tables: whatever they say wrongly shows here.
package codec
