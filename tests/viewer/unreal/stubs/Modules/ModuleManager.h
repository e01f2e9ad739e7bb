#pragma once

#include "CoreMinimal.h"

class IModuleInterface
{
public:
	virtual ~IModuleInterface() = default;
};
class FDefaultModuleImpl : public IModuleInterface {};

#define IMPLEMENT_MODULE(Implementation, Name) IModuleInterface* Initialize##Name##Module() { return new Implementation(); }
