/**
 * The defaults, with the options in their stead that are given. What else `options` has is left out, so that all have
 * the shape of the defaults: a spread of options that bring new keys would make a hidden class for each unit.
 */
export function chosenFeatures<Features extends object>(defaults: Features, options: Partial<Features>): Features {
  const features = { ...defaults }
  for (const name in defaults) {
    const given = options[name]
    if (given !== undefined) features[name] = given
  }
  return features
}
