#pragma once

#include "Dom/JsonObject.h"
#include "Serialization/JsonReader.h"

class FJsonSerializer
{
public:
	template <class CharType>
	static bool Deserialize(const TSharedRef<TJsonReader<CharType>>& Reader, TSharedPtr<FJsonObject>& OutObject);
};
